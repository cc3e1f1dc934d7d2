"""The model that a config describes."""

from contextlib import AbstractContextManager
from typing import Any

import torch
from mmengine.config import Config
from mmengine.model import is_model_wrapper
from mmengine.registry import MODELS, DefaultScope
from torch import nn


def own_scope(cfg: Config) -> AbstractContextManager:
    """Look names up where a config says, and afterwards where they were looked up before.

    A runner leaves its scope behind, so that mmdet's modules would be looked
    for in pre-training that follows, in a notebook or a test.
    """
    return DefaultScope.overwrite_default_scope(cfg.get('default_scope', 'mmpretrain'))


def build_model(cfg: Config) -> nn.Module:
    """The model of a config, as mmengine's runner builds it; weights of ``init_cfg`` not loaded."""
    with own_scope(cfg):
        parts = cfg.model.copy()
        if cfg.get('data_preprocessor'):
            parts.setdefault('data_preprocessor', cfg.data_preprocessor)
        return MODELS.build(parts)


#: Detectors whose heads take maps however they lie in memory; some of mmdet's, such as Grid R-CNN's, do not.
_LAID_OUT = ('FasterRCNN', 'MaskRCNN', 'CascadeRCNN')


def lay_out(model: Any, device: torch.device | str) -> None:
    """Keep the channels of a pixel together in Faster, Mask and Cascade R-CNN on a CPU: their convolutions are faster so.

    Args:
        model: Changed in place. One that is wrapped for several processes stays as it is.
        device: On which it will be computed.
    """
    detector = getattr(model, 'student', model)
    if torch.device(device).type == 'cpu' and type(detector).__name__ in _LAID_OUT:
        model.to(memory_format=torch.channels_last)


def unwrapped(model: nn.Module) -> Any:
    """A runner's model, without what wraps it for several processes."""
    return model.module if is_model_wrapper(model) else model
