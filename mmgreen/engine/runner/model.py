"""The model that a config describes."""

from contextlib import AbstractContextManager
from typing import Any

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


def unwrapped(model: nn.Module) -> Any:
    """A runner's model, without what wraps it for several processes."""
    return model.module if is_model_wrapper(model) else model
