"""COCO annotation files as everything here reads them: training, evaluation, reports, imports."""

import json
from collections.abc import Callable
from typing import Any

from mmgreen.errors import UserError

from .names import clean_name
from .segmentations import without_empty_runs

#: What training and evaluation cannot do without.
PARTS = ('images', 'annotations', 'categories')
_CROWD = {'0': 0, '1': 1, 'false': 0, 'true': 1, '': 0, 'none': 0, 'null': 0}


def load_coco(ann_file: str) -> dict[str, Any]:
    """The content of a COCO file, what tools write in their own ways brought to COCO's.

    ``iscrowd`` as text, truth or null becomes 0 or 1; names of categories lose line breaks and the
    spaces at their ends; run lengths lose runs of no pixels, with which pycocotools computes
    wrong overlaps.

    Args:
        ann_file: JSON file, or a path of mmengine's file backends.

    Raises:
        UserError: If the file is missing or not in COCO format as a whole.
    """
    try:
        content = json.loads(_read(ann_file))
    except FileNotFoundError as error:
        raise UserError(f'annotation file {ann_file} does not exist') from error
    except (ValueError, RecursionError) as error:
        raise UserError(f'annotation file {ann_file} is not JSON: {error}') from error
    if not isinstance(content, dict) or any(
        not isinstance(content.get(part), list) for part in PARTS
    ):
        raise UserError(
            f'annotation file {ann_file} is not in COCO format: it must hold lists of images, '
            'annotations and categories'
        )
    if not content['categories']:
        raise UserError(f'annotation file {ann_file} names no categories')
    for category in content['categories']:
        if isinstance(category, dict) and isinstance(category.get('name'), str | int):
            category['name'] = clean_name(category['name'])
    annotations = [a for a in content['annotations'] if isinstance(a, dict)]
    for annotation in annotations:
        if annotation.get('segmentation') == {}:
            annotation['segmentation'] = []
        crowd = annotation.get('iscrowd', 0)
        if crowd not in (0, 1) or type(crowd) is not int:
            annotation['iscrowd'] = _crowd(crowd, ann_file)
    without_empty_runs(annotations)
    return content


def _crowd(value: Any, ann_file: str) -> int:
    number = _CROWD.get(str(value).strip().lower()) if not isinstance(value, list | dict) else None
    if number is None and value == int(bool(value)):  # 0.0, 1.0
        number = int(value)
    if number is None:
        raise UserError(
            f'annotation file {ann_file} has iscrowd {value!r}, which is neither 0 nor 1'
        )
    return number


def _read(path: str) -> bytes:
    if '://' not in path:
        with open(path, 'rb') as file:
            return file.read()
    from mmengine.fileio import get  # slow to import

    reader: Callable[[str], bytes] = get
    return reader(path)
