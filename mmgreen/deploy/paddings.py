"""Paddings that depend on an image's size, where its size is a multiple of the net's stride."""

from typing import Any

from torch import nn


def make_paddings_constant(model: nn.Module) -> None:
    """Replace timm's convolutions with ``'same'`` padding in a model, in place.

    Their padding is computed from the size of a map, which :func:`torch.export.export` follows from
    layer to layer by ever longer terms, for hours. Where a map's sides are multiples of a convolution's
    stride, as they are where the image's are multiples of the net's, it is the same for all sizes.
    """
    try:
        from timm.layers import Conv2dSame
    except ImportError:  # then there are none
        return
    module: Any
    for name, module in list(model.named_modules()):
        if not isinstance(module, Conv2dSame):
            continue
        (top, bottom), (left, right) = (
            _ends(*axis)
            for axis in zip(module.kernel_size, module.stride, module.dilation, strict=True)
        )
        layer: Any = module
        layer.__class__ = nn.Conv2d
        model.set_submodule(name, nn.Sequential(nn.ZeroPad2d((left, right, top, bottom)), layer))


def _ends(kernel: int, stride: int, dilation: int) -> tuple[int, int]:
    """Padding before and after along an axis."""
    total = max(dilation * (kernel - 1) + 1 - stride, 0)
    return total // 2, total - total // 2
