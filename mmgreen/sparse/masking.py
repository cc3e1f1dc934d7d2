"""Random masks over mask units (GreenMIM, section 3.1)."""

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
    """Draw masks that hide a random share of the units, the same number in each.

    Args:
        height: Units per column.
        width: Units per row.
        mask_ratio: Share of the units to hide, inside (0, 1).
        num_masks: 1 for a mask that the batch shares, or one per sample.
        generator: Source of randomness; torch's CPU generator by default.

    Returns:
        Bool tensor of shape (num_masks, height, width) on the CPU, True = masked.

    Raises:
        ValueError: As :func:`num_visible`.
    """
    units = height * width
    visible = num_visible(units, mask_ratio)
    order = torch.rand(num_masks, units, generator=generator).argsort(dim=1)
    mask = torch.ones(num_masks, units, dtype=torch.bool)
    mask.scatter_(1, order[:, :visible], False)
    return mask.view(num_masks, height, width)
