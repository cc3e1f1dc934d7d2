"""Optimizers of a run."""

from .bfloat16 import BFloat16OptimWrapper, computes_in_bfloat16
from .constructors import LayerDecayOptimWrapperConstructor, OptimWrapperConstructor
from .merging import merge_checkpoint, merge_groups

__all__ = [
    'BFloat16OptimWrapper',
    'LayerDecayOptimWrapperConstructor',
    'OptimWrapperConstructor',
    'computes_in_bfloat16',
    'merge_checkpoint',
    'merge_groups',
]
