"""Histograms of oriented gradients as the target."""

from collections.abc import Sequence
from typing import Any

import torch
from mmpretrain.models.selfsup.maskfeat import HOGGenerator
from torch import Tensor

from mmgreen.errors import UserError
from mmgreen.registry import MODELS

from .target_head import TargetHead, cut_units


@MODELS.register_module()
class HOGHead(TargetHead):
    """Predicts which edges a unit has, and not their pixels.

    MaskFeat's target (`Masked Feature Prediction for Self-Supervised Visual Pre-Training
    <https://arxiv.org/abs/2112.09133>`_, section 3.2), by mmpretrain's generator: for each colour and
    cell of 8 x 8 pixels a histogram of the directions of gradients, of length 1. The window that
    MaskFeat weighs gradients by is left out, so that images may have any size.

    Args:
        patch_size: Side of a mask unit in pixels, a multiple of ``cell``.
        bins: Directions of a histogram.
        cell: Side of a cell in pixels.

    Raises:
        UserError: If cells do not fill a unit.
    """

    def __init__(self, patch_size: int = 32, bins: int = 9, cell: int = 8) -> None:
        super().__init__()
        if patch_size % cell:
            raise UserError(
                f'units of {patch_size} pixels are not filled by cells of {cell}: choose cell or '
                'unit_size so that they are'
            )
        self.patch_size, self.bins, self.cell = patch_size, bins, cell
        self._generator = _Cells(nbins=bins, pool=cell, gaussian_window=0)

    @property
    def values(self) -> int:
        return 3 * self.bins * (self.patch_size // self.cell) ** 2

    @torch.no_grad()
    def target(self, images: Tensor, units: Tensor, samples: Sequence[Any] | None = None) -> Tensor:
        cells = self._generator(images.float()).flatten(1, 2)
        return cut_units(cells, self.patch_size // self.cell, units).flatten(2)


class _Cells(HOGGenerator):  # type: ignore[misc]
    """mmpretrain's generator without its last step, which is for images of 224 pixels."""

    def _reshape(self, hog_feat: Tensor) -> Tensor:
        return hog_feat  # (B, 3, bins, H / cell, W / cell)
