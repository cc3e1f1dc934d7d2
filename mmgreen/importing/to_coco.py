"""Images annotated in any layout, as COCO annotation files."""

import zlib
from dataclasses import dataclass
from pathlib import Path

from mmgreen.datasets.annotations import read_annotations
from mmgreen.datasets.faults import listed
from mmgreen.errors import UserError

from .dataset import AnnotatedImage, Dataset, write_coco
from .objects import corners_of_box
from .reading import read_dataset


@dataclass(frozen=True)
class Conversion:
    """What became of a folder of annotated images.

    Attributes:
        dataset: What was read, with what was left out and why.
        written: Numbers of images and annotations, by the annotation file.
        categories: Names.
        boxes_alone: Whether some have boxes and no masks.
    """

    dataset: Dataset
    written: dict[Path, tuple[int, int]]
    categories: tuple[str, ...]
    boxes_alone: bool


def to_coco(
    images: Path,
    out: Path,
    annotations: Path | None = None,
    val: Path | None = None,
    val_share: float = 0.2,
    categories: Path | None = None,
    boxes_as_masks: bool = False,
) -> Conversion:
    """Write a COCO annotation file.

    Args:
        images: Folder of any layout that :func:`~mmgreen.importing.read_dataset` knows; files are
            named from it.
        out: Annotation file to write, of all splits.
        annotations: Folder of the annotations; by default that of the images.
        val: Annotation file of a part that is held out: what the folder names for validation; else
            it is chosen by the images' names, so that adding images moves none.
        val_share: Which part.
        categories: COCO file whose categories are used, in its order.
        boxes_as_masks: Write each box as its mask.

    Raises:
        UserError: If a folder does not exist, a file cannot be read, or there is
            nothing to convert.
    """
    dataset = read_dataset(images, annotations=annotations)
    if not dataset.labelled:
        raise UserError(
            f'{images} has no annotations of a format that is known, only {dataset.format}: point '
            '--annotations to the folder that holds them'
        )
    names = dataset.categories
    if categories:
        names = read_annotations(str(categories)).categories
        labels = {thing['label'] for image in dataset.images for thing in image.objects}
        unknown = sorted(labels - set(names))
        if unknown:
            raise UserError(
                f'labels {", ".join(unknown)} are not among the categories of {categories}'
            )
    things = [thing for image in dataset.images for thing in image.objects]
    bare = [thing for thing in things if 'segmentation' not in thing]
    if boxes_as_masks:
        for thing in bare:
            x, y, w, h = thing['bbox']
            thing['segmentation'] = [corners_of_box(x, y, x + w, y + h)]
    files = {out: dataset.images}
    if val:
        held = _held_out(dataset, val_share)
        files = {
            out: [image for image in dataset.images if image.name not in held],
            val: [image for image in dataset.images if image.name in held],
        }
        empty = [path for path, some in files.items() if not some]
        if empty:
            raise UserError(f'no image of {images} would be in {listed(empty)}')
    written = {path: write_coco(path, some, names) for path, some in files.items()}
    return Conversion(dataset, written, names, bool(bare) and not boxes_as_masks)


def _held_out(dataset: Dataset, share: float) -> set[str]:
    named: list[AnnotatedImage] = dataset.splits.get('val', [])
    if named:
        return {image.name for image in named}
    return {i.name for i in dataset.images if zlib.crc32(i.name.encode()) < share * 2**32}
