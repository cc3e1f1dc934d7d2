"""COCO-format detection data, whatever its categories."""

from typing import Any

from mmdet.datasets import CocoDataset as MMDetCocoDataset
from mmengine.fileio import join_path

from mmgreen.registry import DATASETS

from .annotations import read_annotations
from .corrupt import SkipCorruptImages


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
        self,
        ann_file: str = '',
        data_root: str = '',
        metainfo: dict | None = None,
        **kwargs: Any,
    ) -> None:
        if not (metainfo or {}).get('classes'):
            found = read_annotations(join_path(data_root, ann_file) if data_root else ann_file)
            metainfo = dict(metainfo or {}, classes=found.categories)
        super().__init__(ann_file=ann_file, data_root=data_root, metainfo=metainfo, **kwargs)
