"""Detectors of ONNX files in the place of models."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import ConfigDict
from mmengine.model import BaseModel
from mmengine.structures import InstanceData
from torch import Tensor

from mmgreen.errors import UserError
from mmgreen.registry import MODELS

from .session import FORMAT, open_runtime


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
        for image, sample in zip(inputs, data_samples, strict=True):
            if image.is_floating_point():  # of a config that loads images as such
                image = image.round().clamp(0, 255).byte()
            rgb = np.ascontiguousarray(image.permute(1, 2, 0).flip(2).cpu().numpy())
            outs = self._runtime.run(rgb)
            sample.pred_instances = self._instances(sample.metainfo, *map(torch.from_numpy, outs))
        return data_samples

    def _instances(
        self, meta: dict, boxes: Tensor, scores: Tensor, labels: Tensor, masks: Tensor | None = None
    ) -> InstanceData:
        if masks is None:
            boxes = boxes / boxes.new_tensor(meta['scale_factor']).repeat(2)
            return InstanceData(bboxes=boxes, scores=scores, labels=labels)
        if len(boxes) == 0:
            pasted = torch.zeros(0, *meta['ori_shape'][:2], dtype=torch.bool)
            return InstanceData(bboxes=boxes, scores=scores, labels=labels, masks=pasted)
        test_cfg = ConfigDict(mask_thr_binary=self.about['mask_threshold'])
        pasted = self._paste._predict_by_feat_single(
            masks[:, None], boxes, labels, meta, test_cfg, rescale=True, activate_map=True
        )  # which rescales the boxes, too
        return InstanceData(bboxes=boxes, scores=scores, labels=labels, masks=pasted)


def use_exported(cfg: Any, file: str | Path) -> None:
    """Let a config be tested by an exported detector.

    Args:
        cfg: Changed in place.
        file: ONNX file.
    """
    cfg.model = dict(type='mmgreen.ExportedDetector', file=str(file))
    cfg.load_from = None
    # Not among the registry's places: whoever pre-trains need not import mmdet.
    there = (cfg.get('custom_imports') or {}).get('imports') or []
    there = [there] if isinstance(there, str) else list(there)
    cfg.custom_imports = dict(imports=[*there, 'mmgreen.deploy'], allow_failed_imports=False)
