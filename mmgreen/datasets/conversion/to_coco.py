"""Images annotated in LabelMe or Pascal VOC, as COCO annotation files."""

import binascii
import json
import zlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from pycocotools import mask as coco_mask

from mmgreen.datasets.annotations import read_annotations
from mmgreen.datasets.images import EXTENSIONS
from mmgreen.errors import UserError
from mmgreen.files import write_whole

from .labelme import read_labelme
from .sizes import image_size
from .voc import read_voc


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
    """Convert images annotated in LabelMe or Pascal VOC to a COCO annotation file.

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
    pairs, without = _find_pairs(images, annotations or images)
    if not pairs:
        raise UserError(
            f'no image in {images} has a .json or .xml file of its name: point '
            '--annotations to the folder that holds them'
        )
    entries, left_out = _read(images, pairs, boxes_as_masks)
    labels = {instance['label'] for _, _, instances in entries for instance in instances}
    names = tuple(sorted(labels))
    if categories:
        names = read_annotations(str(categories)).categories
        unknown = sorted(labels - set(names))
        if unknown:
            raise UserError(
                f'labels {", ".join(unknown)} are not among the categories of {categories}'
            )
    if not names:
        raise UserError(f'the annotations of {images} hold no instance')
    files = {out: entries}
    if val:
        held = [zlib.crc32(e[0].encode()) < val_share * 2**32 for e in entries]
        files = {
            path: [e for e, is_held in zip(entries, held, strict=True) if is_held == part]
            for path, part in ((out, False), (val, True))
        }
    written = {}
    for path, part in files.items():
        content = _coco(part, names)
        write_whole(path, json.dumps(content))
        written[path] = len(content['images']), len(content['annotations'])
    left_out['images without annotation'] = without
    has_boxes = any(annotation.suffix == '.xml' for _, annotation in pairs)
    return Conversion(written, names, left_out, has_boxes and not boxes_as_masks)


def _find_pairs(images: Path, annotations: Path) -> tuple[list[tuple[Path, Path]], int]:
    """Images with their annotation files, and the number of images without one."""
    pairs, without = [], 0
    for image in sorted(images.rglob('*')):
        if not image.name.lower().endswith(EXTENSIONS):
            continue
        stem = (annotations / image.relative_to(images)).with_suffix('')
        found = [
            p for p in (stem.parent / f'{stem.name}{e}' for e in ('.json', '.xml')) if p.exists()
        ]
        if len(found) > 1:
            raise UserError(f'{image} has two annotation files, {found[0]} and {found[1]}')
        if found:
            pairs.append((image, found[0]))
        else:
            without += 1
    return pairs, without


def _read(
    images: Path, pairs: list[tuple[Path, Path]], boxes_as_masks: bool
) -> tuple[list, Counter]:
    """Every image with its instances, and what was left out."""
    entries: list = []
    left_out: Counter = Counter()
    for image, annotation in pairs:
        size = image_size(image)
        try:
            if annotation.suffix == '.json':
                instances = list(read_labelme(annotation, size, left_out))
            else:
                instances = list(read_voc(annotation, size, boxes_as_masks))
        except UserError:
            raise
        except (
            *(ValueError, KeyError, TypeError, AttributeError, IndexError, OSError),
            *(ElementTree.ParseError, binascii.Error),
        ) as error:
            kind = 'LabelMe' if annotation.suffix == '.json' else 'Pascal VOC'
            raise UserError(
                f'{annotation} is not an annotation of {kind}: {type(error).__name__} {error}'
            ) from error
        kept = [whole for i in instances if (whole := _complete(i, size)) is not None]
        left_out['instances without area inside the image'] += len(instances) - len(kept)
        name = image.relative_to(images).as_posix()
        entries.append((name, size, kept))
    return entries, left_out


def _complete(instance: dict, size: tuple[int, int]) -> dict | None:
    """Clip an instance to its image and add box and area; ``None`` if nothing is left."""
    width, height = size
    mask = instance.get('segmentation')
    if isinstance(mask, list):
        limits = [width, height]
        mask = [
            [min(max(v, 0.0), limits[i % 2]) for i, v in enumerate(polygon)] for polygon in mask
        ]
        instance['segmentation'] = mask
    if mask is not None:
        encoded = mask
        if isinstance(mask, list):
            encoded = coco_mask.merge(coco_mask.frPyObjects(mask, height, width))
        box, area = coco_mask.toBbox(encoded).tolist(), float(coco_mask.area(encoded))
    else:
        x, y, across, down = instance['bbox']
        left, top = max(x, 0.0), max(y, 0.0)
        box = [left, top, min(x + across, width) - left, min(y + down, height) - top]
        area = max(box[2], 0.0) * max(box[3], 0.0)
    if min(box[2:]) < 1 or area <= 0:
        return None
    return dict(instance, bbox=box, area=area, iscrowd=instance.get('iscrowd', 0))


def _coco(entries: list, categories: tuple[str, ...]) -> dict:
    """A COCO annotation file of some images."""
    images: list[dict] = []
    annotations: list[dict] = []
    for number, (name, (width, height), instances) in enumerate(entries, 1):
        images.append(dict(id=number, file_name=name, width=width, height=height))
        for instance in instances:
            category = categories.index(instance.pop('label')) + 1
            annotations.append(
                dict(instance, id=len(annotations) + 1, image_id=number, category_id=category)
            )
    return dict(
        images=images,
        annotations=annotations,
        categories=[dict(id=i, name=name) for i, name in enumerate(categories, 1)],
    )
