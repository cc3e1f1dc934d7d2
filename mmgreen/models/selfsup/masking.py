"""Masks by the name that configs give them."""

import inspect
from collections.abc import Callable
from functools import partial

from torch import Tensor

from mmgreen.errors import UserError
from mmgreen.registry import FUNCTIONS
from mmgreen.sparse import block_mask, grid_mask, random_mask

#: (height, width, mask_ratio, num_masks, generator) to masks, see :mod:`mmgreen.sparse.masking`.
Masking = Callable[..., Tensor]

MASKINGS: dict[str, Masking] = dict(random=random_mask, block=block_mask, grid=grid_mask)
for _name, _masking in MASKINGS.items():
    FUNCTIONS.register_module(_name, module=_masking)


def build_masking(masking: str | dict | Masking) -> Masking:
    """A function that draws masks, from its config.

    Args:
        masking: A callable; or ``'random'``, ``'block'``, ``'grid'`` or the name of a
            function that is registered in :data:`mmgreen.registry.FUNCTIONS` or mmengine's;
            or a dict of such a ``type`` and more arguments for it.

    Raises:
        UserError: If there is no such function.
    """
    if callable(masking):
        return masking
    settings = dict(type=masking) if isinstance(masking, str) else dict(masking)
    name = settings.pop('type', None)
    function = FUNCTIONS.get(name) if name else None
    if function is None:
        raise UserError(
            f"masking '{name}' is unknown: choose from {', '.join(MASKINGS)}, or register "
            'a function of that name in mmgreen.registry.FUNCTIONS'
        )
    try:
        inspect.signature(function).bind_partial(**settings)
    except TypeError as error:
        raise UserError(f"masking '{name}' does not take these settings: {error}") from error
    return partial(function, **settings)
