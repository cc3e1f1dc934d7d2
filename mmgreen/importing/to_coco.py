"""Images annotated in LabelMe or Pascal VOC, as COCO annotation files."""

import zlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from mmgreen.datasets.annotations import read_annotations
from mmgreen.errors import UserError

from .dataset import write_coco
from .pairs import find_pairs, read_pairs


@dataclass(frozen=True)
class Conversion:
    """What became of a folder of annotated images.

    Attributes:
        written: Numbers of images and annotations, by the annotation file.
        categories: Names.
        left_out: How many of what.
        boxes_alone: Whether some have boxes and no masks.
    """

    written: dict[Path, tuple[int, int]]
    categories: tuple[str, ...]
    left_out: Counter
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

    The annotation of an image is the ``.json`` (LabelMe) or ``.xml`` (VOC) file of its
    name. Shapes of LabelMe with one label and group are one instance. VOC's difficult
    objects become crowd regions.

    Args:
        images: Folder of images. Those without an annotation file are left out.
        out: Annotation file to write.
        annotations: Folder of the annotations; by default that of the images.
        val: Annotation file of a part that is held out; chosen by the images'
            names, so that adding images moves none.
        val_share: Which part.
        categories: COCO file whose categories are used, in its order.
        boxes_as_masks: Write each VOC box as its mask.

    Raises:
        UserError: If a folder does not exist, a file cannot be read, or there is
            nothing to convert.
    """
    for folder in (images, annotations or images):
        if not folder.is_dir():
            raise UserError(f'folder {folder} does not exist')
    pairs, without = find_pairs(images, annotations or images)
    if not pairs:
        raise UserError(
            f'no image in {images} has a .json or .xml file of its name: point '
            '--annotations to the folder that holds them'
        )
    left_out: Counter = Counter()
    found = read_pairs(images, pairs, left_out, boxes_as_masks=boxes_as_masks)
    labels = {thing['label'] for image in found for thing in image.objects}
    names = tuple(sorted(labels))
    if categories:
        names = read_annotations(str(categories)).categories
        unknown = sorted(labels - set(names))
        if unknown:
            raise UserError(
                f'labels {", ".join(unknown)} are not among the categories of {categories}'
            )
    if not names:
        raise UserError(f'the annotations of {images} contain no instance')
    files = {out: found}
    if val:
        held = {i.name for i in found if zlib.crc32(i.name.encode()) < val_share * 2**32}
        files = {
            out: [image for image in found if image.name not in held],
            val: [image for image in found if image.name in held],
        }
    written = {path: write_coco(path, part, names) for path, part in files.items()}
    left_out['images without annotation'] = len(without)
    has_boxes = any(annotation.suffix == '.xml' for _, annotation in pairs)
    return Conversion(written, names, left_out, has_boxes and not boxes_as_masks)
