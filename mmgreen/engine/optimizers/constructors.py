"""Optimizers with few parameter groups, with and without layer decay."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from mmengine.logging import MMLogger
from mmengine.optim import DefaultOptimWrapperConstructor
from mmpretrain.engine import LearningRateDecayOptimWrapperConstructor
from torch import nn

from mmgreen.compat.messages import quiet
from mmgreen.errors import UserError
from mmgreen.registry import OPTIM_WRAPPER_CONSTRUCTORS

from .merging import merge_groups

# What a line of the log says of a group.
_SETTINGS = ('lr', 'weight_decay')


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class OptimWrapperConstructor(DefaultOptimWrapperConstructor):
    """mmengine's constructor, whose groups of equal settings are merged.

    ``mmgreen train`` uses it instead of mmengine's; ``paramwise_cfg`` works
    as usual.
    """

    def add_params(self, params: list[dict], module: nn.Module, prefix: str = '', **kwargs) -> None:
        with _merged(params, outermost=not prefix):
            super().add_params(params, module, prefix=prefix, **kwargs)


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class LayerDecayOptimWrapperConstructor(LearningRateDecayOptimWrapperConstructor):
    """mmpretrain's constructor for any model around a backbone, detectors included.

    ``paramwise_cfg=dict(layer_decay_rate=0.9)`` multiplies the learning rate of
    each layer of the backbone by 0.9 for every layer that comes after it; what
    is no part of the backbone has the full one. At 1.0 all have the same.
    Groups of equal settings are merged.

    Raises:
        UserError: If the model has no backbone that knows its layers.
    """

    def add_params(self, params: list[dict], module: nn.Module, prefix: str = '', **kwargs) -> None:
        if 'get_layer_depth' not in kwargs:
            # A detector, or one that a mean teacher is made of.
            owner, within = (
                (module.student, 'student.') if hasattr(module, 'student') else (module, '')
            )
            depth = getattr(getattr(owner, 'backbone', None), 'get_layer_depth', None)
            if depth is None:
                raise UserError(
                    f'layer decay needs a backbone with get_layer_depth, and {type(owner).__name__}'
                    ' has none: use a GreenSwinTransformer, or leave optim_wrapper.constructor out'
                )
            kwargs['get_layer_depth'] = partial(depth, prefix=f'{within}backbone.')
        with _merged(params, outermost=not prefix):
            super().add_params(params, module, prefix=prefix, **kwargs)


@contextmanager
def _merged(params: list[dict], outermost: bool) -> Iterator[None]:
    """Merge the groups when all modules have been gone through, and say them in place of one line for each tensor."""
    if not outermost:
        yield
        return
    logger = MMLogger.get_current_instance()
    with quiet(logger, level=logging.WARNING):
        yield
    params[:] = merge_groups(params)
    said = []
    for group in params:
        settings = ', '.join(f'{k}={v:.4g}' for k, v in group.items() if k in _SETTINGS)
        said.append(f'{len(group["params"])} {f"with {settings}" if settings else "as set"}')
    logger.info(f'Parameters of the optimizer: {"; ".join(said)}')
