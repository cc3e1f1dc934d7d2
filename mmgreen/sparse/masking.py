"""Masks over mask units: random (GreenMIM, section 3.1), in blocks, on a grid, by weight.

All hide the same number of units in each mask. Arguments that they share:
    height: Units per column.
    width: Units per row.
    mask_ratio: Share of the units to hide, inside (0, 1).
    num_masks: 1 for a mask that the batch shares, or one per sample.
    generator: Source of randomness; torch's CPU generator by default.

They return a bool tensor of shape (num_masks, height, width) on the CPU, True = masked,
and raise ValueError as :func:`num_visible` does.
"""

import math

import torch
from torch import Tensor


def num_visible(units: int, mask_ratio: float) -> int:
    """How many of ``units`` mask units stay visible at ``mask_ratio``.

    This is ``int(units * (1 - mask_ratio))``, the count of MAE and GreenMIM:
    49 units at 0.75 leave 12.

    Raises:
        ValueError: If the ratio is not inside (0, 1) or leaves no unit.
    """
    if not 0 < mask_ratio < 1:
        raise ValueError(f'mask_ratio must lie between 0 and 1, both excluded, not {mask_ratio}')
    # The rounding keeps 10 * (1 - 0.9) = 0.9999999999999998 at one unit.
    visible = int(round(units * (1 - mask_ratio), 6))
    if visible < 1:
        raise ValueError(
            f'mask_ratio {mask_ratio} leaves none of the {units} units visible: '
            'lower it, or use larger images or smaller units'
        )
    return visible


def random_mask(
    height: int,
    width: int,
    mask_ratio: float = 0.75,
    num_masks: int = 1,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Hide units drawn at random."""
    visible = num_visible(height * width, mask_ratio)
    order = torch.rand(num_masks, height * width, generator=generator).argsort(dim=1)
    return _all_but(order[:, :visible], height, width)


def block_mask(
    height: int,
    width: int,
    mask_ratio: float = 0.75,
    num_masks: int = 1,
    generator: torch.Generator | None = None,
    min_units: int = 16,
    min_aspect: float = 0.3,
) -> Tensor:
    """Hide rectangles one after another (BEiT, algorithm 1).

    Of the last rectangle, which would hide too much, a random part is hidden.

    Args:
        min_units: Smallest area of a rectangle, as long as so much is left to hide.
        min_aspect: Smallest ratio of its sides; the largest is the inverse.
    """
    units = height * width
    hide = units - num_visible(units, mask_ratio)
    rows, cols = torch.arange(height)[:, None], torch.arange(width)
    mask = torch.zeros(num_masks, height, width, dtype=torch.bool)
    while (left := hide - mask.sum((1, 2))).any():
        area, aspect, top, start = torch.rand(4, num_masks, generator=generator)
        area = min_units + area * (left - min_units).clamp(min=0)
        aspect = torch.exp((2 * aspect - 1) * math.log(min_aspect))
        tall = (area * aspect).sqrt().round().clamp(1, height)
        wide = (area / aspect).sqrt().round().clamp(1, width)
        top, start = (top * (height - tall + 1)).floor(), (start * (width - wide + 1)).floor()
        top, tall, start, wide = (t[:, None, None] for t in (top, tall, start, wide))
        block = (rows >= top) & (rows < top + tall) & (cols >= start) & (cols < start + wide)
        new = (block & ~mask).flatten(1)
        order = torch.rand(num_masks, units, generator=generator) + ~new  # new ones first
        rank = order.argsort(1).argsort(1)
        mask |= (new & (rank < left[:, None])).view_as(mask)
    return mask


def grid_mask(
    height: int,
    width: int,
    mask_ratio: float = 0.75,
    num_masks: int = 1,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Hide three of every 2x2 units (UM-MAE's uniform sampling).

    Raises:
        ValueError: If the ratio is not 0.75, or the grid is not of whole 2x2.
    """
    if mask_ratio != 0.75:
        raise ValueError(
            f'a grid hides three of four units: set mask_ratio to 0.75, not {mask_ratio}'
        )
    if height % 2 or width % 2:
        raise ValueError(
            f'a grid takes one of every 2x2 units, and {height}x{width} units are not whole 2x2: '
            'use other images or smaller units'
        )
    rows, cols = height // 2, width // 2
    which = torch.randint(4, (num_masks, rows * cols), generator=generator)
    row, col = torch.arange(rows * cols) // cols, torch.arange(rows * cols) % cols
    visible = (2 * row + which // 2) * width + 2 * col + which % 2
    return _all_but(visible, height, width)


def _all_but(visible: Tensor, height: int, width: int) -> Tensor:
    """(M, V) units that stay visible to masks (M, height, width)."""
    mask = torch.ones(len(visible), height * width, dtype=torch.bool)
    mask.scatter_(1, visible, False)
    return mask.view(-1, height, width)
