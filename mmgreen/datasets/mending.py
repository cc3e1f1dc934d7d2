"""Annotation files, corrected where there is one right answer."""

import json
from pathlib import Path
from typing import Any

from mmgreen.errors import UserError
from mmgreen.files import write_keeping

from .sizes import look


def mend_annotations(ann_file: Path, out: Path, images: Path) -> list[str]:
    """Write an annotation file anew, without faults that can be corrected in one way only.

    Ids that are below 1, used twice or no whole numbers are counted anew from 1; a
    polygon that is a flat list becomes one of a list; a missing ``iscrowd`` is 0, and
    a missing ``area`` that of the mask, or of the box; width and height that are
    swapped are swapped back, where no coordinate says otherwise. Where EXIF turns the
    image, coordinates may be for the image before it is turned, which no size corrects:
    there a box must reach beyond the size that is said.

    Args:
        ann_file: COCO annotation file.
        out: File to write; another one.
        images: Folder of its images.

    Returns:
        What was done, in words.

    Raises:
        UserError: If the file cannot be read, or is the one to write.
    """
    if out.resolve() == ann_file.resolve():
        raise UserError(f'--fix {out} is the file itself: name another one')
    try:
        content = json.loads(ann_file.read_text(encoding='utf-8'))
        annotations, sizes = content['annotations'], {i['id']: i for i in content['images']}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f'annotation file {ann_file} cannot be corrected: {error}') from error
    done = {
        'ids counted anew': _count_anew(annotations),
        'flat polygons made lists of one': sum(map(_nest, annotations)),
        'iscrowd added': sum(map(_add_crowd, annotations)),
        'width and height swapped back': _swap_sizes(content, images),
        'area added': sum(_add_area(a, sizes.get(a.get('image_id'))) for a in annotations),
    }
    write_keeping(out, json.dumps(content))
    return [f'{count} {what}' for what, count in done.items() if count]


def _count_anew(annotations: list[dict[str, Any]]) -> int:
    ids = [annotation.get('id') for annotation in annotations]
    if all(type(i) is int and i > 0 for i in ids) and len(set(ids)) == len(ids):
        return 0
    for number, annotation in enumerate(annotations, 1):
        annotation['id'] = number
    return len(annotations)


def _nest(annotation: dict[str, Any]) -> bool:
    mask = annotation.get('segmentation')
    flat = isinstance(mask, list) and bool(mask) and isinstance(mask[0], int | float)
    if flat:
        annotation['segmentation'] = [mask]
    return flat


def _add_crowd(annotation: dict[str, Any]) -> bool:
    missing = 'iscrowd' not in annotation
    annotation.setdefault('iscrowd', 0)
    return missing


def _add_area(annotation: dict[str, Any], image: dict[str, Any] | None) -> bool:
    if 'area' in annotation or len(annotation.get('bbox') or ()) != 4:
        return False
    from pycocotools import mask as coco_mask

    mask = annotation.get('segmentation')
    if mask:
        if image is None or not {'width', 'height'} <= image.keys():
            return False
        encoded = coco_mask.frPyObjects(mask, image['height'], image['width'])
        annotation['area'] = float(
            coco_mask.area(coco_mask.merge(encoded) if isinstance(encoded, list) else encoded)
        )
    else:
        annotation['area'] = annotation['bbox'][2] * annotation['bbox'][3]
    return True


def _swap_sizes(content: dict[str, Any], folder: Path) -> int:
    farthest: dict[Any, tuple[float, float]] = {}
    for annotation in content['annotations']:
        if len(annotation.get('bbox') or ()) != 4:
            continue
        x, y, width, height = annotation['bbox']
        right, bottom = farthest.get(annotation.get('image_id'), (0, 0))
        farthest[annotation.get('image_id')] = max(right, x + width), max(bottom, y + height)
    swapped = 0
    for image in content['images']:
        declared = image.get('width'), image.get('height')
        head = look(folder / str(image.get('file_name')))
        if head is None:
            continue
        width, height = head.size
        if width == height or declared != (height, width):
            continue
        right, bottom = farthest.get(image['id'], (0, 0))
        fits = right <= width + 1 and bottom <= height + 1
        beyond = right > height + 1 or bottom > width + 1
        if fits and (beyond or head.stored == head.size):
            image['width'], image['height'] = width, height
            swapped += 1
    return swapped
