"""Optimizers of a run."""

from .constructors import LayerDecayOptimWrapperConstructor, OptimWrapperConstructor
from .merging import merge_checkpoint, merge_groups

__all__ = [
    'LayerDecayOptimWrapperConstructor',
    'OptimWrapperConstructor',
    'merge_checkpoint',
    'merge_groups',
]
