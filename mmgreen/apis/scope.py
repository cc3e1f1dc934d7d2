"""Where a config's names are looked up."""

from contextlib import AbstractContextManager

from mmengine.config import Config
from mmengine.registry import DefaultScope


def own_scope(cfg: Config) -> AbstractContextManager:
    """Look names up where a config says, and afterwards where they were looked up before.

    A runner leaves its scope behind, so that mmdet's modules would be looked
    for in pre-training that follows, in a notebook or a test.
    """
    return DefaultScope.overwrite_default_scope(cfg.get('default_scope', 'mmpretrain'))
