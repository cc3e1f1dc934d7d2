"""What a backbone sees in images, as vectors by which they can be compared."""

import os
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import torch
from mmengine.config import Config

from mmgreen.config import around_backbone, load_config
from mmgreen.errors import UserError

from .detector import Detector
from .inference import Image, load_model, loading_step, read


def load_features(
    config: str | os.PathLike | Config,
    checkpoint: str | os.PathLike | None = None,
    device: str | None = None,
) -> Callable[[Image], np.ndarray]:
    """A backbone that says what it sees in images: its last map, averaged.

    Args:
        config: Config of a detector or of a pre-training.
        checkpoint: Its checkpoint. Of a detector it can be left out: then the weights are those that its training
            would start from.
        device: By default the GPU, or else the CPU.

    Returns:
        A function from an image, a path or an array, to (C,), float32.

    Raises:
        UserError: If config or checkpoint are not right, or no weights are trained.
    """
    cfg = load_config(config)
    backbone = around_backbone(cfg.model).get('backbone')
    if not backbone:
        raise UserError(f'{cfg.filename} has no backbone that could see images')
    if cfg.get('test_dataloader'):
        if checkpoint is None and not _is_trained(backbone):
            raise UserError(
                f'the backbone of {cfg.filename} starts from random weights: name a checkpoint, too'
            )
        return Detector(cfg, checkpoint, device).features
    if checkpoint is None:
        raise UserError(f'{cfg.filename} is a pre-training: name its checkpoint, too')
    model: Any = load_model(cfg, checkpoint, device)
    load = loading_step(cfg.train_dataloader.dataset.pipeline)
    side = backbone.get('img_size', 224)

    @torch.no_grad()
    def features(image: Image) -> np.ndarray:
        small = cv2.resize(read(image, load), (side, side))
        inputs = torch.from_numpy(np.ascontiguousarray(np.atleast_3d(small).transpose(2, 0, 1)))
        data = model.data_preprocessor(dict(inputs=inputs[None], data_samples=None))
        return model.backbone(data['inputs'])[-1][0].mean((1, 2)).float().cpu().numpy()

    return features


def _is_trained(backbone: dict) -> bool:
    return bool(backbone.get('init_cfg')) or backbone['type'] == 'mmgreen.TimmBackbone'
