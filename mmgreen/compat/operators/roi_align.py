"""Regions pooled by interpolation, by torchvision."""

import torch
import torchvision
from torch import Tensor

from mmgreen.errors import UserError


def roi_align_forward(
    input: Tensor,
    rois: Tensor,
    output: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Fill ``output`` (R, C, aligned_height, aligned_width) with pooled regions.

    Args are those of mmcv; ``rois`` is (R, 5), batch index first, and the
    argmax tensors belong to max pooling, which torchvision does not have.
    """
    _need_average(pool_mode)
    size = (aligned_height, aligned_width)
    for part, samples in _parts(rois, size, spatial_scale, sampling_ratio):
        regions = rois[part].to(input.dtype)
        output[part] = torchvision.ops.roi_align(
            input, regions, size, spatial_scale, samples, aligned
        )


def roi_align_backward(
    grad_output: Tensor,
    rois: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    grad_input: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Fill ``grad_input`` (B, C, H, W) with the gradient of :func:`roi_align_forward`."""
    _need_average(pool_mode)
    size = (aligned_height, aligned_width)
    grads = [
        torch.ops.torchvision._roi_align_backward(
            grad_output[part],
            rois[part].to(grad_output.dtype),
            spatial_scale,
            *size,
            *grad_input.shape,
            samples,
            aligned,
        )
        for part, samples in _parts(rois, size, spatial_scale, sampling_ratio)
    ]
    grad_input.copy_(sum(grads))


def _parts(
    rois: Tensor, size: tuple[int, int], scale: float, sampling_ratio: int
) -> list[tuple[slice | Tensor, int]]:
    """Regions and the samples along a side of their bins, of which 0 means one for each pixel.

    On a CPU torchvision makes a table of all samples of a region before any is taken, too large a
    one for regions of a million pixels, as a detector that has learnt nothing yet proposes. These lie
    outside the image but for a part, and as many samples as :data:`_MOST_SAMPLES` are enough.
    """
    whole: list[tuple[slice | Tensor, int]] = [(slice(None), sampling_ratio)]
    if sampling_ratio > 0 or rois.device.type != 'cpu':
        return whole
    sides = (rois[:, [4, 3]] - rois[:, [2, 1]]) * scale / rois.new_tensor(size)
    vast = (sides > _MOST_SAMPLES).any(1)
    if not vast.any():
        return whole
    return [(~vast, 0), (vast, _MOST_SAMPLES)]


#: Samples along the side of a bin on a CPU: a region of 7 x 7 bins then spans 448 pixels of the map.
_MOST_SAMPLES = 64


def _need_average(pool_mode: int) -> None:
    if pool_mode != 1:
        raise UserError(
            "RoIAlign with pool_mode='max' needs mmcv's compiled operators: "
            "set pool_mode='avg', or build mmcv from source"
        )
