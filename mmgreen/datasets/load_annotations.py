"""Masks of objects as they are trained on: polygons, or bitmaps inside their boxes."""

from typing import Any

import numpy as np
from mmdet.datasets.transforms import LoadAnnotations as MMDetLoadAnnotations
from mmdet.structures.mask import PolygonMasks
from pycocotools import mask as coco_mask

from mmgreen.registry import TRANSFORMS

from .cropped_masks import CroppedMasks


@TRANSFORMS.register_module()
class LoadAnnotations(MMDetLoadAnnotations):
    """mmdet's step, which keeps polygons where all objects of an image have them.

    Polygons are resized, flipped and cropped in no time, and Mask R-CNN draws of each no more than
    the 28 x 28 pixels it is trained on. Bitmaps are what run lengths become, and all objects of an image that has some:
    nothing is left out; each is kept inside its box (:mod:`~mmgreen.datasets.cropped_masks`). Steps that mix images
    want bitmaps; of them ``mmgreen.CopyPaste`` takes polygons, too.

    Args:
        **kwargs: See :class:`mmdet.datasets.transforms.LoadAnnotations`.
    """

    def _load_masks(self, results: dict[str, Any]) -> None:
        height, width = results['ori_shape']
        masks = self._process_masks(results)
        if all(isinstance(mask, list) for mask in masks):
            # mmdet would cut off what scaling adds to whole numbers.
            polygons = [[part.astype(np.float64) for part in mask] for mask in masks]
            results['gt_masks'] = PolygonMasks(polygons, height, width)
        else:
            counts = [_runs(mask, height, width) for mask in masks]
            results['gt_masks'] = CroppedMasks.of_runs(counts, height, width)


def _runs(mask: Any, height: int, width: int) -> str | list[int]:
    if isinstance(mask, list):
        mask = coco_mask.merge(coco_mask.frPyObjects(mask, height, width))
    counts: str | bytes | list[int] = mask['counts']
    return counts.decode() if isinstance(counts, bytes) else counts
