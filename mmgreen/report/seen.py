"""Whether images of a test were seen in training, by their content."""

import json
from pathlib import Path

from mmgreen.datasets.copies import find_copies
from mmgreen.datasets.packs import is_pack
from mmgreen.datasets.tree import look_through

from .run import Run


def seen_before(run: Run, training: dict) -> tuple[int, int] | None:
    """How many images of a test are among those of a training.

    Args:
        run: A test.
        training: The record of the training.

    Returns:
        Their number, and that of the test's images; None where it is not known which images either had:
        of packs, of annotations of another kind than COCO's, and where files are gone.
    """
    parts = training.get('trained_on')
    if run.images is None or not parts:
        return None
    chosen = set(run.record.get('image_ids') or ())
    tested = _of_coco(run.annotations, run.images, chosen)
    trained = [_images(part) for part in parts]
    if not tested or any(images is None for images in trained):
        return None
    same = find_copies(tested, (path for images in trained for path in images or ()))
    return len(set().union(*same.values())), len(tested)


def _images(part: dict) -> list[Path] | None:
    """Images of a folder, or those that a list or an annotation file names; None if they are not known."""
    folder = Path(part['folder'])
    if not folder.is_dir() or is_pack(str(folder)):
        return None
    if part['listed'] is None:
        return [folder / name for name in look_through(str(folder)).images]
    listed = Path(part['listed'])
    if listed.suffix == '.json':
        return _of_coco(listed, folder)
    if listed.suffix != '.txt' or not listed.is_file():
        return None
    found = []
    for line in listed.read_text(encoding='utf-8').splitlines():
        path = folder / line
        # Lists of labelled images have a class after each name.
        found.append(path if path.exists() else folder / line.rpartition(' ')[0])
    return found


def _of_coco(ann_file: Path, folder: Path, chosen: set | None = None) -> list[Path] | None:
    """Images of an annotation file, or those of some ids; None if it does not name files."""
    if not ann_file.is_file():
        return None
    content = json.loads(ann_file.read_text(encoding='utf-8'))
    images = content.get('images') if isinstance(content, dict) else None
    if not images or not all('file_name' in image for image in images):
        return None
    return [folder / image['file_name'] for image in images if not chosen or image['id'] in chosen]
