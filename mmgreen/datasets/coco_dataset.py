"""COCO-format detection data, whatever its categories."""

from copy import copy
from typing import Any

from mmcv.transforms import LoadImageFromFile
from mmdet.datasets import CocoDataset as MMDetCocoDataset
from mmengine.dataset import Compose
from mmengine.fileio import join_path

from mmgreen.registry import DATASETS

from .annotations import read_annotations
from .coco_api import OrderedCOCO
from .corrupt import SkipCorruptImages
from .sizes import CheckSize


@DATASETS.register_module()
class CocoDataset(SkipCorruptImages, MMDetCocoDataset):
    """mmdet's COCO dataset whose classes are those of its annotation file.

    Steps that mix images (``mmgreen.CopyPaste``, mmdet's ``Mosaic`` and ``MixUp``) stand in its pipeline as any other: the
    other images come as the steps before the first of these make them, without ``MultiImageMixDataset`` around it.

    Args:
        ann_file: Annotation file, below ``data_root``.
        data_root: Folder of the dataset.
        metainfo: ``dict(classes=...)`` to choose a part of the categories, or their order.
        **kwargs: See :class:`mmdet.datasets.CocoDataset`.

    Raises:
        UserError: If the annotation file is missing or not in COCO format, or lacks
            a category that is chosen.
    """

    COCOAPI = OrderedCOCO

    def __init__(
        self,
        ann_file: str = '',
        data_root: str = '',
        metainfo: dict | None = None,
        **kwargs: Any,
    ) -> None:
        found = read_annotations(join_path(data_root, ann_file) if data_root else ann_file)
        metainfo = dict(metainfo or {})
        metainfo['classes'] = found.choose(metainfo.get('classes'))
        super().__init__(ann_file=ann_file, data_root=data_root, metainfo=metainfo, **kwargs)

    def full_init(self) -> None:
        super().full_init()
        steps = self.pipeline.transforms
        loads = [i for i, step in enumerate(steps) if isinstance(step, LoadImageFromFile)]
        if loads and not any(isinstance(step, CheckSize) for step in steps):
            steps.insert(loads[0] + 1, CheckSize())

    def prepare_data(self, idx: int) -> dict | None:
        steps = self.pipeline.transforms
        mixing = [_mixes(step) for step in steps]
        if not any(mixing):
            return super().prepare_data(idx)
        alone, first = copy(self), mixing.index(True)
        alone.pipeline = Compose(steps[:first])
        sample = alone.prepare_data(idx)
        for step, mixes in zip(steps[first:], mixing[first:], strict=True):
            if sample is None:
                return None
            if mixes:
                others = step.get_indexes(alone)
                others = others if isinstance(others, list) else [others]
                sample['mix_results'] = [alone[other] for other in others]
            sample = step(sample)
            if mixes and sample:
                sample.pop('mix_results', None)
        return sample


def _mixes(step: Any) -> bool:
    """Whether a step wants other images; ``CachedMosaic`` and ``CachedMixUp`` keep earlier ones themselves."""
    return hasattr(step, 'get_indexes') and not hasattr(step, 'results_cache')
