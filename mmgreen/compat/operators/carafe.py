"""Content-aware reassembly of features."""

from functools import partial

import torch.nn.functional as F
from torch import Tensor

from .gradients import gradients


def carafe_naive_forward(
    features: Tensor,
    masks: Tensor,
    output: Tensor,
    kernel_size: int,
    group_size: int,
    scale_factor: int,
) -> None:
    """Fill ``output`` with weighted sums of neighbourhoods
    (`CARAFE <https://arxiv.org/abs/1905.02188>`_, eq. 3).

    Args:
        features: (B, C, H, W).
        masks: (B, groups * kernel_size**2, H * scale_factor, W * scale_factor), the weights.
        output: (B, C, H * scale_factor, W * scale_factor).
        kernel_size: Side of a neighbourhood, odd.
        group_size: Groups of channels with weights of their own.
        scale_factor: Factor of the upsampling.
    """
    output.copy_(_reassemble(features, masks, kernel_size, group_size, scale_factor))


def carafe_naive_backward(
    grad_output: Tensor,
    features: Tensor,
    masks: Tensor,
    grad_input: Tensor,
    grad_masks: Tensor,
    kernel_size: int,
    group_size: int,
    scale_factor: int,
) -> None:
    """Fill the gradients of features and masks."""
    reassemble = partial(
        _reassemble, kernel_size=kernel_size, group_size=group_size, scale_factor=scale_factor
    )
    found = gradients(reassemble, (features, masks), grad_output)
    grad_input.copy_(found[0])
    grad_masks.copy_(found[1])


def carafe_forward(
    features: Tensor,
    masks: Tensor,
    rfeatures: Tensor,
    routput: Tensor,
    rmasks: Tensor,
    output: Tensor,
    **settings: int,
) -> None:
    """Compute what :func:`carafe_naive_forward` does; ``rfeatures`` keeps the features for the backward pass."""
    rfeatures.copy_(features)
    carafe_naive_forward(features, masks, output, **settings)


def carafe_backward(
    grad_output: Tensor,
    rfeatures: Tensor,
    masks: Tensor,
    rgrad_output: Tensor,
    rgrad_input_hs: Tensor,
    rgrad_input: Tensor,
    rgrad_masks: Tensor,
    grad_input: Tensor,
    grad_masks: Tensor,
    **settings: int,
) -> None:
    """Compute what :func:`carafe_naive_backward` does, from what :func:`carafe_forward` has kept."""
    carafe_naive_backward(grad_output, rfeatures, masks, grad_input, grad_masks, **settings)


def _reassemble(
    features: Tensor, masks: Tensor, kernel_size: int, group_size: int, scale_factor: int
) -> Tensor:
    batch, channels, height, width = features.shape
    size, scale = kernel_size**2, scale_factor
    patches = F.unfold(features, kernel_size, padding=kernel_size // 2)
    patches = patches.view(batch, group_size, channels // group_size, size, height, 1, width, 1)
    weights = masks.view(batch, group_size, 1, size, height, scale, width, scale)
    return (patches * weights).sum(3).reshape(batch, channels, height * scale, width * scale)
