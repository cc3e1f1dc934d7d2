"""Whether images of a test were seen in training, by their content."""

import json
from pathlib import Path

from mmgreen.datasets.copies import find_copies
from mmgreen.datasets.tree import look_through

from .run import Run


def seen_before(run: Run, training: dict) -> tuple[int, int] | None:
    """How many images of a test are among those of a training.

    Args:
        run: A test.
        training: The record of the training.

    Returns:
        Their number, and that of the test's images; None where it is not known which images either had.
    """
    if run.images is None or not training.get('trained_on'):
        return None
    content = json.loads(run.annotations.read_text(encoding='utf-8'))
    chosen = set(run.record.get('image_ids') or ())
    tested = [
        run.images / image['file_name']
        for image in content['images']
        if not chosen or image['id'] in chosen
    ]
    same = find_copies(tested, (path for part in training['trained_on'] for path in _images(part)))
    return len(set().union(*same.values())), len(tested)


def _images(part: dict) -> list[Path]:
    """Images of a folder, or those that a list or an annotation file names."""
    folder = Path(part['folder'])
    if not folder.is_dir():
        return []
    if part['listed'] is None:
        return [folder / name for name in look_through(str(folder)).images]
    listed = Path(part['listed'])
    if not listed.is_file():
        return []
    text = listed.read_text(encoding='utf-8')
    if listed.suffix == '.json':
        return [folder / image['file_name'] for image in json.loads(text)['images']]
    return [folder / line for line in text.splitlines()]
