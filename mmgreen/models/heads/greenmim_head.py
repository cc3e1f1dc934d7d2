"""Pixels as the target, GreenMIM's own, and the way back from predictions to pixels."""

from collections.abc import Sequence
from math import isqrt
from typing import Any

import torch
from mmpretrain.models import MAEPretrainHead
from torch import Tensor

from mmgreen.registry import MODELS

from .target_head import TargetHead, cut_units


@MODELS.register_module()
class GreenMIMHead(TargetHead, MAEPretrainHead):
    """MAE's head for images of any height and width.

    The loss is the mean squared error on masked units; with ``norm_pix`` the
    target of each unit is normalised to mean 0 and variance 1 (unbiased,
    eps 1e-6).

    All arguments are those of :class:`mmpretrain.models.MAEPretrainHead`.
    """

    draws = True

    @property
    def values(self) -> int:
        return int(self.patch_size**2 * self.in_channels)

    def patchify(self, imgs: Tensor) -> Tensor:
        """(B, C, H, W) to (B, units, patch_size**2 * C), ordered row, column, channel."""
        p = self.patch_size
        batch, channels, height, width = imgs.shape
        x = imgs.reshape(batch, channels, height // p, p, width // p, p)
        return x.permute(0, 2, 4, 3, 5, 1).reshape(batch, -1, p * p * channels)

    def split(self, pred: Tensor) -> Tensor:
        """Predictions of tokens to those of their units, row-major inside a token.

        Args:
            pred: (b, n, side**2 * C), ordered row, column, channel.

        Returns:
            (b, n * k**2, patch_size**2 * C), the same order, where side = k * patch_size.
        """
        p, (batch, tokens, values) = self.patch_size, pred.shape
        k = isqrt(values // self.in_channels) // p
        x = pred.view(batch, tokens, k, p, k, p, self.in_channels).transpose(3, 4)
        return x.reshape(batch, tokens * k * k, -1)

    def judge(self, pred: Tensor, target: Tensor) -> Tensor:
        """Mean loss over units, by MAE's loss module, both (B, U, patch_size**2 * C)."""
        return self.loss_module(pred, target, pred.new_ones(pred.shape[:2]))

    def target(self, images: Tensor, units: Tensor, samples: Sequence[Any] | None = None) -> Tensor:
        x = cut_units(images, self.patch_size, units)  # [B, U, C, p, p]
        return self.construct_target(x.flatten(0, 1)).view(*x.shape[:2], -1)

    def unpatchify(self, x: Tensor, grid: tuple[int, int]) -> Tensor:
        """(B, h*w, side**2 * C) to (B, C, H, W) for ``grid`` = (h, w), of units or tokens."""
        p, (h, w) = isqrt(x.shape[2] // self.in_channels), grid
        x = x.reshape(len(x), h, w, p, p, -1).permute(0, 5, 1, 3, 2, 4)
        return x.reshape(len(x), -1, h * p, w * p)

    def reconstruct(self, pred: Tensor, imgs: Tensor, mask: Tensor) -> Tensor:
        """Images whose masked units are the predicted ones.

        With ``norm_pix`` a prediction has no scale of its own: each masked unit
        is given the mean and variance of the pixels it stands for, as MAE's
        figures do.

        Args:
            pred: (B, units, patch_size**2 * C).
            imgs: (B, C, H, W), the scale of the result.
            mask: Bool, (B, h, w), True = masked.

        Returns:
            (B, C, H, W); visible units are those of ``imgs``.
        """
        units = self.patchify(imgs)
        if self.norm_pix:
            pred = pred * (units.var(-1, keepdim=True) + 1e-6) ** 0.5
            pred = pred + units.mean(-1, keepdim=True)
        units = torch.where(mask.flatten(1)[:, :, None], pred, units)
        return self.unpatchify(units, (mask.shape[1], mask.shape[2]))
