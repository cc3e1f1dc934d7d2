"""Pixels at several scales as the target."""

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from mmgreen.errors import UserError
from mmgreen.registry import MODELS

from .greenmim_head import GreenMIMHead
from .target_head import TargetHead, cut_units


@MODELS.register_module()
class PyramidHead(TargetHead):
    """Predicts the pixels of a unit, and those of its smaller copies.

    Each scale counts as much as the others, so that what is coarse is not lost among many fine
    values (the scales of `Masked Image Modeling with Local Multi-Scale Reconstruction
    <https://arxiv.org/abs/2303.05251>`_, section 3.2, here all of the last stage).

    Args:
        patch_size: Side of a mask unit in pixels.
        factors: How many times smaller each copy is; 1, the pixels themselves, comes first.
        norm_pix: Normalise each copy of each unit to mean 0 and variance 1.
        in_channels: Channels of the image.

    Raises:
        UserError: If a factor does not divide the unit, or the first one is not 1.
    """

    draws = True

    def __init__(
        self,
        patch_size: int = 32,
        factors: Sequence[int] = (1, 2, 4),
        norm_pix: bool = True,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        if not factors or factors[0] != 1 or any(patch_size % factor for factor in factors):
            raise UserError(
                f'factors {tuple(factors)} must begin with 1 and divide units of {patch_size} pixels'
            )
        self.patch_size, self.factors = patch_size, tuple(factors)
        self.norm_pix, self.in_channels = norm_pix, in_channels
        self._pixels = GreenMIMHead(
            dict(type='PixelReconstructionLoss', criterion='L2'), norm_pix, patch_size, in_channels
        )

    @property
    def values(self) -> int:
        return sum(self._sizes())

    def _sizes(self) -> list[int]:
        """Values of each scale."""
        return [(self.patch_size // factor) ** 2 * self.in_channels for factor in self.factors]

    def target(self, images: Tensor, units: Tensor, samples: Sequence[Any] | None = None) -> Tensor:
        return torch.cat([self._at(images, units, factor) for factor in self.factors], dim=2)

    def _at(self, images: Tensor, units: Tensor, factor: int) -> Tensor:
        small = F.avg_pool2d(images, factor) if factor > 1 else images
        cut = cut_units(small, self.patch_size // factor, units)
        values = cut.permute(0, 1, 3, 4, 2).flatten(2)  # row, column, channel
        if not self.norm_pix:
            return values
        mean, variance = values.mean(2, keepdim=True), values.var(2, keepdim=True)
        return (values - mean) / (variance + 1e-6) ** 0.5

    def judge(self, pred: Tensor, target: Tensor) -> Tensor:
        each = [self.compare(pred[..., part], target[..., part]) for part in self.scales()]
        return torch.stack(each).mean()

    def scales(self) -> list[slice]:
        ends = list(accumulate(self._sizes(), initial=0))
        return [slice(begin, end) for begin, end in pairwise(ends)]

    def reconstruct(self, pred: Tensor, images: Tensor, mask: Tensor) -> Tensor:
        return self._pixels.reconstruct(pred[..., : self._sizes()[0]], images, mask)
