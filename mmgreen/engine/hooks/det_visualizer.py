"""mmdet's pictures of objects, in the look of this project's own."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmdet.structures.mask import mask2bbox
from mmdet.visualization import DetLocalVisualizer
from mmengine.structures import InstanceData

from mmgreen.registry import VISUALIZERS
from mmgreen.visualization import draw_detections


@VISUALIZERS.register_module()
class DetVisualizer(DetLocalVisualizer):
    """mmdet's visualizer, whose categories have the colours, and labels the size, of reports and pages.

    It has the same settings, of which colours have no effect. ``mmgreen test --show-dir`` uses it in its place.
    """

    def _draw_instances(
        self,
        image: np.ndarray,
        instances: InstanceData,
        classes: Sequence[str] | None,
        palette: Any,
    ) -> np.ndarray:
        labels = [int(label) for label in instances.labels]
        if 'label_names' in instances:  # of an open set
            names = list(instances.label_names)
        else:
            names = [classes[label] if classes else f'class {label}' for label in labels]
        scores = instances.scores.tolist() if 'scores' in instances else None
        boxes, masks = instances.get('bboxes'), _arrays(instances.get('masks'))
        if masks is not None and len(masks) and (boxes is None or not boxes.any()):
            boxes = mask2bbox(torch.from_numpy(masks))  # of detectors of masks alone
        return draw_detections(
            image,
            np.asarray(boxes, dtype=np.float64).reshape(-1, 4),
            labels,
            [f'{name} {scores[i]:.2f}' if scores else name for i, name in enumerate(names)],
            masks,
        )


def _arrays(masks: Any) -> np.ndarray | None:
    """Masks as (N, height, width) bool: of a detector, or of annotations."""
    if masks is None:
        return None
    if not isinstance(masks, np.ndarray | torch.Tensor):
        masks = masks.to_ndarray()
    return np.asarray(masks, dtype=bool)
