"""COCO-format detection data, whatever its categories."""

import json
from functools import lru_cache

from mmdet.datasets import CocoDataset as MMDetCocoDataset
from mmengine.fileio import get_local_path, join_path

from mmgreen.errors import UserError
from mmgreen.registry import DATASETS

from .corrupt import SkipCorruptImages


@lru_cache(maxsize=8)
def read_categories(ann_file: str) -> tuple[str, ...]:
    """Names of the categories of a COCO annotation file, in the order of the file.

    Raises:
        UserError: If the file is missing or not in COCO format.
    """
    try:
        with get_local_path(ann_file) as path, open(path, encoding='utf-8') as file:
            content = json.load(file)
        # COCO's own tools find categories by name and annotations by image.
        names = tuple(category['name'] for category in content['categories'])
        content['images'], content['annotations']
    except FileNotFoundError as error:
        raise UserError(f'annotation file {ann_file} does not exist') from error
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f'annotation file {ann_file} is not in COCO format (JSON with images, annotations and '
            f'categories): {type(error).__name__} {error}'
        ) from error
    if not names:
        raise UserError(f'annotation file {ann_file} names no categories')
    return names


@DATASETS.register_module()
class CocoDataset(SkipCorruptImages, MMDetCocoDataset):
    """mmdet's COCO dataset whose classes are those of its annotation file.

    Args:
        ann_file: Annotation file, below ``data_root``.
        data_root: Folder of the dataset.
        metainfo: ``dict(classes=...)`` to choose a part of the categories.
        **kwargs: As of :class:`mmdet.datasets.CocoDataset`.

    Raises:
        UserError: If the annotation file is missing or not in COCO format.
    """

    def __init__(
        self, ann_file: str = '', data_root: str = '', metainfo: dict | None = None, **kwargs
    ) -> None:
        if not (metainfo or {}).get('classes'):
            classes = read_categories(join_path(data_root, ann_file) if data_root else ann_file)
            metainfo = dict(metainfo or {}, classes=classes)
        super().__init__(ann_file=ann_file, data_root=data_root, metainfo=metainfo, **kwargs)
