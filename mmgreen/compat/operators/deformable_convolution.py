"""Deformable convolutions, with and without modulation, by torchvision."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torchvision.ops import deform_conv2d

from .gradients import gradients


def deform_conv_forward(
    input: Tensor,
    weight: Tensor,
    offset: Tensor,
    output: Tensor,
    columns: Tensor,
    ones: Tensor,
    **settings: Any,
) -> None:
    """Fill ``output`` with a deformable convolution
    (`DCN <https://arxiv.org/abs/1703.06211>`_, eq. 2).

    Args:
        input: (B, C, H, W).
        weight: (out channels, C / groups, kernel height, kernel width).
        offset: (B, 2 * deformable groups * kernel size, H', W'), y and x in turn.
        output: (B, out channels, H', W').
        columns: Not used.
        ones: Not used.
        **settings: mmcv's, by its names: ``dH``, ``padH``, ``dilationH`` and alike.
    """
    output.copy_(_plain(settings)(input, offset, weight))


def deform_conv_backward_input(
    input: Tensor,
    offset: Tensor,
    grad_output: Tensor,
    grad_input: Tensor,
    grad_offset: Tensor,
    weight: Tensor,
    columns: Tensor,
    **settings: Any,
) -> None:
    """Fill the gradients of input and offset."""
    found = gradients(_plain(settings), (input, offset, weight), grad_output)
    grad_input.copy_(found[0])
    grad_offset.copy_(found[1])


def deform_conv_backward_parameters(
    input: Tensor,
    offset: Tensor,
    grad_output: Tensor,
    grad_weight: Tensor,
    columns: Tensor,
    ones: Tensor,
    scale: float,
    **settings: Any,
) -> None:
    """Fill the gradient of the weight, times ``scale``."""
    weight = grad_weight.new_zeros(grad_weight.shape)  # its gradient does not depend on it
    found = gradients(_plain(settings), (input, offset, weight), grad_output)
    grad_weight.copy_(found[2] * scale)


def modulated_deform_conv_forward(
    input: Tensor,
    weight: Tensor,
    bias: Tensor,
    ones: Tensor,
    offset: Tensor,
    mask: Tensor,
    output: Tensor,
    columns: Tensor,
    with_bias: bool,
    **settings: Any,
) -> None:
    """Fill ``output`` with a modulated deformable convolution
    (`DCNv2 <https://arxiv.org/abs/1811.11168>`_, eq. 1).

    Args:
        input: (B, C, H, W).
        weight: (out channels, C / groups, kernel height, kernel width).
        bias: (out channels,), if ``with_bias``.
        ones: Not used.
        offset: (B, 2 * deformable groups * kernel size, H', W'), y and x in turn.
        mask: (B, deformable groups * kernel size, H', W').
        output: (B, out channels, H', W').
        columns: Not used.
        with_bias: Whether there is a bias.
        **settings: mmcv's, by its names: ``stride_h``, ``pad_h``, ``dilation_h`` and alike.
    """
    convolve = _modulated(settings)
    output.copy_(convolve(input, offset, mask, weight, *([bias] if with_bias else [])))


def modulated_deform_conv_backward(
    input: Tensor,
    weight: Tensor,
    bias: Tensor,
    ones: Tensor,
    offset: Tensor,
    mask: Tensor,
    columns: Tensor,
    grad_input: Tensor,
    grad_weight: Tensor,
    grad_bias: Tensor,
    grad_offset: Tensor,
    grad_mask: Tensor,
    grad_output: Tensor,
    with_bias: bool,
    **settings: Any,
) -> None:
    """Fill the gradients of input, weight, bias, offset and mask."""
    inputs = [input, offset, mask, weight] + ([bias] if with_bias else [])
    targets = [grad_input, grad_offset, grad_mask, grad_weight] + ([grad_bias] if with_bias else [])
    found = gradients(_modulated(settings), inputs, grad_output)
    for target, gradient in zip(targets, found, strict=True):
        target.copy_(gradient)


def _plain(settings: dict[str, Any]) -> Callable[..., Tensor]:
    def convolve(input: Tensor, offset: Tensor, weight: Tensor) -> Tensor:
        return _convolve(
            input,
            offset,
            weight,
            stride=(settings['dH'], settings['dW']),
            padding=(settings['padH'], settings['padW']),
            dilation=(settings['dilationH'], settings['dilationW']),
        )

    return convolve


def _modulated(settings: dict[str, Any]) -> Callable[..., Tensor]:
    def convolve(
        input: Tensor, offset: Tensor, mask: Tensor, weight: Tensor, bias: Tensor | None = None
    ) -> Tensor:
        return _convolve(
            input,
            offset,
            weight,
            stride=(settings['stride_h'], settings['stride_w']),
            padding=(settings['pad_h'], settings['pad_w']),
            dilation=(settings['dilation_h'], settings['dilation_w']),
            bias=bias,
            mask=mask,
        )

    return convolve


def _convolve(input: Tensor, offset: Tensor, weight: Tensor, **settings: Any) -> Tensor:
    """Convert to float32 or more: torchvision has no kernel of lower precision on a CPU, nor of bfloat16."""
    wide = torch.promote_types(input.dtype, torch.float32)
    sides = [
        (size + 2 * p - d * (k - 1) - 1) // s + 1
        for size, k, s, p, d in zip(
            input.shape[2:],
            weight.shape[2:],
            settings['stride'],
            settings['padding'],
            settings['dilation'],
            strict=True,
        )
    ]
    offset = _cut(offset, sides)
    if settings.get('mask') is not None:
        settings['mask'] = _cut(settings['mask'], sides)
    for name in ('bias', 'mask'):
        if settings.get(name) is not None:
            settings[name] = settings[name].to(wide)
    found = deform_conv2d(input.to(wide), offset.to(wide), weight.to(wide), **settings)
    return found.to(input.dtype)


def _cut(x: Tensor, sides: list[int]) -> Tensor:
    """The numbers of a sample that mmcv's kernel reads, (B, C, H, W) to (B, C, *sides).

    It reads them one after the other, of whatever sides they are, and DyHead gives it more than it
    reads: where it convolves a smaller map by a larger one's offsets.
    """
    if list(x.shape[2:]) == sides:
        return x
    read = x.shape[1] * sides[0] * sides[1]
    return x.flatten(1)[:, :read].reshape(len(x), x.shape[1], *sides)
