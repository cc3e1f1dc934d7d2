"""What is predicted of hidden units, and how a prediction is judged."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor


class TargetHead(BaseModule):
    """A target of masked image modelling: to be inherited from, a file for each.

    The decoder predicts so many values for each token of the last stage; :meth:`split` gives each
    mask unit its own, and :meth:`judge` compares those of the hidden units with what :meth:`target`
    says of the images. Masked pixels never reach the encoder, whatever a target looks at.

    Attributes:
        patch_size: Side of a mask unit in pixels.
        draws: Whether predictions are pictures, which :meth:`reconstruct` gives.
        visible: Whether visible units are predicted, too.
    """

    patch_size: int
    draws = False
    visible = False

    @property
    @abstractmethod
    def values(self) -> int:
        """How many numbers are predicted of a unit."""

    def sees(self, mean: Tensor, std: Tensor, rgb: bool) -> None:
        """Be told how images are preprocessed.

        Args:
            mean: What is subtracted of each channel, of pixels between 0 and 255.
            std: What they are divided by.
            rgb: Whether red comes first.
        """

    @abstractmethod
    def target(self, images: Tensor, units: Tensor, samples: Sequence[Any] | None = None) -> Tensor:
        """What should be predicted.

        Args:
            images: (B, C, H, W), preprocessed.
            units: int32, (1 or B, U), row-major.
            samples: Data samples of the images, for what is known of them beside their pixels.

        Returns:
            (B, U, values).
        """

    def split(self, pred: Tensor) -> Tensor:
        """Predictions of tokens to those of their units, row-major inside a token.

        Args:
            pred: (b, n, k**2 * values), for tokens of k units a side.

        Returns:
            (b, n * k**2, values).
        """
        return pred.reshape(len(pred), -1, self.values)

    def judge(self, pred: Tensor, target: Tensor) -> Tensor:
        """How far predictions are from a target, both (B, U, values): the mean squared error."""
        return self.compare(pred, target)

    def compare(self, pred: Tensor, target: Tensor) -> Tensor:
        """How far some of the values, (B, U, any number), are from those of a target."""
        return F.mse_loss(pred, target.to(pred.dtype))

    def scales(self) -> list[slice]:
        """Which of the values are of which scale, from fine to coarse; all are of one by default."""
        return [slice(0, self.values)]

    def reconstruct(self, pred: Tensor, images: Tensor, mask: Tensor) -> Tensor:
        """Images whose masked units are the predicted ones, where predictions are pictures.

        Args:
            pred: (B, units, values), of all units, row-major.
            images: (B, C, H, W), the scale of the result.
            mask: Bool, (B, h, w), True = masked.

        Returns:
            (B, C, H, W); visible units are those of ``images``.
        """
        raise NotImplementedError(f'what {type(self).__name__} predicts is no picture')


def cut_units(maps: Tensor, side: int, units: Tensor) -> Tensor:
    """Some units of maps.

    Args:
        maps: (B, C, H, W).
        side: Of a unit, in places of the maps.
        units: int32, (1 or B, U), row-major.

    Returns:
        (B, U, C, side, side).
    """
    batch, channels, height, width = maps.shape
    x = maps.view(batch, channels, height // side, side, width // side, side)
    rows, cols = units // (width // side), units % (width // side)
    sample = torch.arange(batch, device=maps.device)[:, None]
    return x[sample, :, rows, :, cols]
