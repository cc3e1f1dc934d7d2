"""Files of several labelling tools, each in a folder of its own."""

from collections.abc import Callable, Sequence
from pathlib import Path

from mmgreen.errors import UserError
from mmgreen.files import write_whole

from . import coco, cvat, label_studio, labelme, voc, yolo
from .found import FoundImage, found_images

#: From images, the names of all categories, the folder of the images and that of the files to contents by name.
Writer = Callable[[Sequence[FoundImage], Sequence[str], Path, Path], dict[str, str]]
#: By the name that the command line gives them.
FORMATS: dict[str, Writer] = {
    'coco': coco.write,
    'cvat': cvat.write,
    'label-studio': label_studio.write,
    'labelme': labelme.write,
    'voc': voc.write,
    'yolo': yolo.write,
}


def write_prelabels(
    found: dict[str, list[dict]],
    images: Path,
    out: Path,
    formats: Sequence[str],
    tolerance: float = 1.0,
) -> list[Path]:
    """Write what was found in the formats of labelling tools.

    Args:
        found: What :func:`mmgreen.apis.detect_folder` gives.
        images: Folder of the images, or one image.
        out: A folder is made in it for each format.
        formats: Of :data:`FORMATS`.
        tolerance: Pixels by which outlines may deviate from masks; fewer corners are moved by hand.

    Returns:
        The folders.

    Raises:
        UserError: If one is there with other content, which may be a person's work, or two images would have one file.
    """
    folder = images.parent if images.is_file() else images
    folders = refuse_folders(out, formats)
    classes = [category['name'] for category in found['categories']]
    kept = found_images(found, tolerance)
    for place, name in zip(folders, formats, strict=True):
        files = FORMATS[name](kept, classes, folder, place)
        if name in ('labelme', 'voc', 'yolo'):
            _refuse_shared(kept, name)
        for file, content in files.items():
            write_whole(place / file, content)
    return folders


def refuse_folders(out: Path, formats: Sequence[str]) -> list[Path]:
    """The folders that are written to, one for each format.

    Raises:
        UserError: If one is there with some content.
    """
    folders = [out / name for name in formats]
    for place in folders:
        if place.is_dir() and any(place.iterdir()):
            raise UserError(
                f'{place} is there already, and may hold what a person has corrected: name another folder '
                '(--out), or move it away'
            )
    return folders


def _refuse_shared(images: Sequence[FoundImage], name: str) -> None:
    owners: dict[str, str] = {}
    for image in images:
        stem = image.name.rpartition('.')[0]
        if stem in owners:
            raise UserError(
                f'{image.name} and {owners[stem]} would have one annotation file in {name}: rename one of '
                'them, or choose another format'
            )
        owners[stem] = image.name
