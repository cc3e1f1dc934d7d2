"""Regions pooled by interpolation: on a CPU as weighted sums of pixels, elsewhere by torchvision."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
import torchvision
from scipy.sparse import csr_matrix
from torch import Tensor
from torch.nn.functional import embedding_bag

from mmgreen.errors import UserError

#: Samples along the side of a bin on a CPU: a region of 7 x 7 bins then spans 448 pixels of the map.
_MOST_SAMPLES = 64
#: Pixels that are looked up at once, for memory.
_MOST_PIXELS = 2**23


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
    if input.device.type == 'cpu':
        # Sums are of float32 or more, as on a GPU under autocast.
        pixels = input.to(torch.promote_types(input.dtype, torch.float32)).permute(0, 2, 3, 1)
        pixels = pixels.reshape(-1, input.shape[1]).contiguous()
        for part, places, weights in _sums(
            rois, input.shape, size, spatial_scale, sampling_ratio, aligned
        ):
            weights = weights.to(pixels.dtype)
            sums = embedding_bag(places, pixels, mode='sum', per_sample_weights=weights)
            output[part] = sums.view(len(part), *size, -1).permute(0, 3, 1, 2).to(output.dtype)
    else:
        output.copy_(
            torchvision.ops.roi_align(
                input, rois.to(input.dtype), size, spatial_scale, sampling_ratio, aligned
            )
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
    size, shape = (aligned_height, aligned_width), grad_input.shape
    if grad_output.device.type == 'cpu':
        pixels = np.zeros((shape[0] * shape[2] * shape[3], shape[1]), np.float32)
        for part, places, weights in _sums(
            rois, shape, size, spatial_scale, sampling_ratio, aligned
        ):
            begins = np.arange(len(places) + 1) * places.shape[1]
            table = weights.flatten().numpy(), places.flatten().numpy(), begins
            bins = grad_output[part].permute(0, 2, 3, 1).reshape(-1, shape[1]).float()
            pixels += csr_matrix(table, (len(places), len(pixels))).T @ bins.numpy()
        found = torch.from_numpy(pixels).view(shape[0], *shape[2:], -1).permute(0, 3, 1, 2)
    else:
        found = torch.ops.torchvision._roi_align_backward(
            grad_output,
            rois.to(grad_output.dtype),
            spatial_scale,
            *size,
            *shape,
            sampling_ratio,
            aligned,
        )
    grad_input.copy_(found)


def _sums(
    rois: Tensor,
    shape: Sequence[int],
    size: tuple[int, int],
    scale: float,
    sampling_ratio: int,
    aligned: bool,
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """RoIAlign (`Mask R-CNN <https://arxiv.org/abs/1703.06870>`_, section 3) as sums of pixels.

    A bin is the mean of samples, each of which is interpolated between four pixels, and all channels of a pixel have
    one weight. So on a CPU a table of pixels and weights is several times as fast as torchvision's loops, which compute the
    weights for each channel anew.

    Regions of a million pixels, as a detector that has learnt nothing yet proposes, lie outside the image but for a
    part, and :data:`_MOST_SAMPLES` are enough of them.

    Args:
        rois: (R, 5), as mmcv has them.
        shape: Of the map, (B, C, H, W).
        size: Bins of a region, down and across.
        scale: Pixels of the map by pixels of the image.
        sampling_ratio: Samples along the side of a bin; 0 for one in each pixel.
        aligned: Whether pixels are points in the middle of their area.

    Yields:
        Indices of regions (n,), and for each of their bins, row by row, pixels, int32 (n * bins, pixels), counted
        through the batch, and their weights, float32.
    """
    height, width = shape[2:]
    rois = rois.float()
    begins, ends = (rois[:, sides] * scale - 0.5 * aligned for sides in ([2, 1], [4, 3]))
    bins = (ends - begins).clamp(min=0.0 if aligned else 1.0) / rois.new_tensor(size)
    samples = (
        bins.ceil().clamp(max=_MOST_SAMPLES)
        if sampling_ratio <= 0
        else torch.full_like(bins, sampling_ratio)
    )
    for part in _of_like_samples(samples, size):
        row, column = (
            along(begins[part, k], bins[part, k], samples[part, k], count, side)
            for k, (count, side) in enumerate(zip(size, (height, width), strict=True))
        )
        rows = row[0] + rois[part, 0].int()[:, None, None] * height
        places = rows[:, :, None, :, None] * width + column[0][:, None, :, None, :]
        weights = row[1][:, :, None, :, None] * column[1][:, None, :, None, :]
        flat = (len(part) * size[0] * size[1], -1)
        yield part, places.reshape(flat), weights.reshape(flat)


def _of_like_samples(samples: Tensor, size: tuple[int, int]) -> Iterator[Tensor]:
    """Indices of regions whose bins have up to one, two, four and so many samples along a side, some at a time."""
    most = samples.max(1).values.clamp(min=1).log2().ceil()
    for power in most.unique():
        each = size[0] * size[1] * int(2 ** (power + 1)) ** 2
        yield from (most == power).nonzero()[:, 0].split(max(1, _MOST_PIXELS // each))


def along(
    begin: Tensor, side: Tensor, samples: Tensor, count: int, size: int
) -> tuple[Tensor, Tensor]:
    """Along one axis the pixels that bins are made of and their weights, (R, count, two for each sample).

    Args:
        begin: Where regions begin, (R,).
        side: Of their bins, (R,).
        samples: How many a bin has, (R,); none where a region has no extent.
        count: Of bins.
        size: Of the map.
    """
    side, samples = side[:, None, None], samples[:, None, None]
    bins = torch.arange(count, device=begin.device)[:, None]
    numbers = torch.arange(int(samples.max().clamp(min=1)), device=begin.device)
    places = begin[:, None, None] + (bins + (numbers + 0.5) / samples.clamp(min=1)) * side
    inside = (numbers < samples) & (places >= -1) & (places <= size)
    places = places.where(inside, 0).clamp(0, size - 1)
    before = places.floor()
    share = inside / samples.clamp(min=1)
    after = (before + 1).clamp(max=size - 1)
    part = places - before
    return torch.cat([before, after], 2).int(), torch.cat([(1 - part) * share, part * share], 2)


def _need_average(pool_mode: int) -> None:
    if pool_mode != 1:
        raise UserError(
            "RoIAlign with pool_mode='max' needs mmcv's compiled operators: "
            "set pool_mode='avg', or build mmcv from source"
        )
