"""Tokens at places of which some are empty: of the four that merge, or of the decoder's map."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mmgreen.arrays import Bools


@dataclass
class Places:
    """Where each of T tokens stands among P places.

    Attributes:
        source: (P,) int32, the token at each place, T where none is.
        place: (T,) int32, the place of each token, increasing.
        empty: (P - T,) int32, the places without a token.
    """

    source: Tensor
    place: Tensor
    empty: Tensor

    #: The index tensors, in the order in which a layout is sent to a device.
    TENSORS = ('source', 'place', 'empty')

    @classmethod
    def of(cls, taken: Bools) -> 'Places':
        """Make them from a mask of the places that are taken, (P,)."""
        place = np.flatnonzero(taken)
        source = np.full(len(taken), len(place), dtype=np.int32)
        source[place] = np.arange(len(place))
        indices = source, place.astype(np.int32), np.flatnonzero(~taken).astype(np.int32)
        return cls(*map(torch.from_numpy, indices))


@torch.compiler.disable  # type: ignore[untyped-decorator]
def fill_places(x: Tensor, places: Places, stand_in: Tensor) -> Tensor:
    """Put every token at its place.

    Args:
        x: (b, T, C).
        places: Where they stand.
        stand_in: (C,), what stands at the empty ones.

    Returns:
        (b, P, C), of the type of ``x``.
    """
    filled: Tensor = _Filled.apply(x, stand_in, places)
    return filled


class _Filled(torch.autograd.Function):
    """Every token has one place, so the backward pass gathers, too."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, stand_in: Tensor, places: Places) -> Tensor:
        ctx.places, ctx.dtype = places, stand_in.dtype
        rows = torch.cat([x, stand_in.to(x.dtype).expand(len(x), 1, -1)], dim=1)
        return rows.index_select(1, places.source)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor | None, None]:
        places, grad_stand_in = ctx.places, None
        if ctx.needs_input_grad[1]:
            dtype = torch.promote_types(ctx.dtype, torch.float32)
            rest = grad.index_select(1, places.empty)
            grad_stand_in = rest.sum((0, 1), dtype=dtype).to(ctx.dtype)
        return grad.index_select(1, places.place), grad_stand_in, None
