"""Whether images of a test were seen in training, by their content."""

from pathlib import Path

from mmgreen.datasets.copies import files_in, files_of, files_of_coco, find_copies

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
    tested = files_of_coco(run.annotations, run.images, chosen)
    trained = [_used(part) for part in parts]
    if not tested or any(images is None for images in trained):
        return None
    same = find_copies(tested, (path for images in trained for path in images or ()))
    return len(set().union(*same.values())), len(tested)


def _used(part: dict) -> list[Path] | None:
    """Images of a part of a training, less those that were left out of it; None if they are not known."""
    folder = Path(part['folder'])
    images = files_in(folder, Path(part['listed']) if part['listed'] else None)
    if images is None:
        return None
    for path in part.get('exclude', ()):
        left_out = files_of(Path(path), folder)
        if left_out is None:
            return None
        copies = find_copies(left_out, images)
        images = [image for image in images if image not in copies]
    return images
