"""Detectors of ONNX files in the place of models."""

import json
import math
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from mmengine.config import ConfigDict
from mmengine.model import BaseModel
from mmengine.structures import InstanceData
from torch import Tensor

from mmgreen.errors import UserError
from mmgreen.registry import MODELS

from .session import FORMAT, as_batch, open_runtime


@MODELS.register_module()
class ExportedDetector(BaseModel):
    """A detector that ``mmgreen export`` wrote, in the place of the model it was.

    Args:
        file: ONNX file.
        runtime: What runs it (:func:`~mmgreen.deploy.open_runtime`).

    Attributes:
        dataset_meta: It holds the names of the categories as ``classes``.
        threshold: The score to take detections from; None where validation did not say one.

    Raises:
        UserError: If the file is not there, or not of this project, or of another format.
    """

    def __init__(self, file: str | os.PathLike, runtime: str | None = None) -> None:
        super().__init__()
        from mmdet.models.roi_heads.mask_heads import FCNMaskHead

        self._runtime = open_runtime(file, runtime)
        if self._runtime.about is None:
            raise UserError(f'{file} was not written by mmgreen export')
        self.about: dict[str, Any] = json.loads(self._runtime.about)
        if self.about['format'] != FORMAT:
            raise UserError(
                f'{file} is of format {self.about["format"]}, and mmgreen reads format {FORMAT}: '
                'export the checkpoint again'
            )
        if 'classes' not in self.about:
            raise UserError(
                f'{file} is of a backbone alone: export the detector without --backbone'
            )
        self.dataset_meta = dict(classes=tuple(self.about['classes']))
        self.threshold: float | None = self.about.get('threshold')
        # It pastes masks, and has no weights.
        self._paste = FCNMaskHead(num_convs=0, num_classes=1, class_agnostic=True)

    def forward(
        self, inputs: list[Tensor], data_samples: list | None = None, mode: str = 'predict'
    ) -> list:
        """Detect objects, as an mmdet model.

        Args:
            inputs: Images, BGR, 0 to 255, (3, H, W).
            data_samples: Their samples, whose metainfo say how they were resized.
            mode: Only ``'predict'``.

        Returns:
            The samples with ``pred_instances`` in pixels of the original images.

        Raises:
            UserError: If it is to be trained.
        """
        if mode != 'predict' or data_samples is None:
            raise UserError('an exported detector cannot be trained: train the checkpoint it is of')
        images = [as_rgb(image) for image in inputs]
        each: Iterable[Sequence[np.ndarray]]
        if self.about.get('batch'):
            *outs, counts = self._runtime.run(**as_batch(images))
            ends = counts.cumsum()[:-1]
            each = zip(*(np.split(out, ends) for out in outs), strict=True)
        else:
            each = (self._runtime.run(image=image) for image in images)
        for sample, outs in zip(data_samples, each, strict=True):
            sample.pred_instances = self._instances(sample.metainfo, *map(torch.from_numpy, outs))
        return data_samples

    def _instances(
        self, meta: dict, boxes: Tensor, scores: Tensor, labels: Tensor, masks: Tensor | None = None
    ) -> InstanceData:
        original = boxes / boxes.new_tensor(meta['scale_factor']).repeat(2)
        found = InstanceData(bboxes=original, scores=scores, labels=labels)
        if masks is None:
            return found
        if self.about.get('mask_stride'):
            found.masks = self._resized(masks, meta)
        elif len(boxes) == 0:
            found.masks = torch.zeros(0, *meta['ori_shape'][:2], dtype=torch.bool)
        else:
            test_cfg = ConfigDict(mask_thr_binary=self.about['mask_threshold'])
            found.masks = self._paste._predict_by_feat_single(
                masks[:, None], boxes, labels, meta, test_cfg, rescale=True, activate_map=True
            )
        return found

    def _resized(self, masks: Tensor, meta: dict) -> Tensor:
        """Masks of an image as it was, (N, height, width), of logits, (N, H / stride, W / stride)."""
        height, width = shape = meta['ori_shape'][:2]
        stride, (across, down) = self.about['mask_stride'], meta['scale_factor']
        sides = [
            math.ceil(n * stride / by)
            for n, by in zip(masks.shape[1:], (down, across), strict=True)
        ]
        whole = torch.zeros(len(masks), *shape, dtype=torch.bool)
        for to, mask in zip(whole, masks, strict=True):  # one by one: images may be large
            logits = F.interpolate(mask[None, None], scale_factor=stride, mode='bilinear')
            logits = F.interpolate(logits, sides, mode='bilinear')[0, 0, :height, :width]
            to[:] = logits > self.about['mask_threshold']
        return whole


def as_rgb(image: Tensor) -> np.ndarray:
    """An image, BGR, 0 to 255, (3, H, W), as (H, W, 3), RGB."""
    if image.is_floating_point():  # of a config that loads images as such
        image = image.round().clamp(0, 255).byte()
    return np.ascontiguousarray(image.permute(1, 2, 0).flip(2).cpu().numpy())


def use_exported(cfg: Any, file: str | Path) -> None:
    """Let a config be tested by an exported detector.

    Args:
        cfg: Changed in place.
        file: ONNX file.
    """
    cfg.model = dict(type='mmgreen.ExportedDetector', file=str(file))
    cfg.pop('data_preprocessor', None)  # mmengine would hand it to the model
    cfg.load_from = None
    # Not among the registry's places: whoever pre-trains need not import mmdet.
    there = (cfg.get('custom_imports') or {}).get('imports') or []
    there = [there] if isinstance(there, str) else list(there)
    cfg.custom_imports = dict(imports=[*there, 'mmgreen.deploy'], allow_failed_imports=False)
