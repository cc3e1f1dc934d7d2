"""Tokens at places of which some are empty: of the four that merge, or of the decoder's map."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mmgreen.arrays import Bools

from .operators import fill


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


def fill_places(x: Tensor, places: Places, stand_in: Tensor) -> Tensor:
    """Put every token at its place.

    Args:
        x: (b, T, C).
        places: Where they stand.
        stand_in: (C,), what stands at the empty ones.

    Returns:
        (b, P, C), of the type of ``x``.
    """
    return fill(x, stand_in, places.source, places.place, places.empty)
