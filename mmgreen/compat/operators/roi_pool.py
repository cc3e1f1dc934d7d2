"""Regions pooled by their maxima."""

import torch
from torch import Tensor


def roi_pool_forward(
    input: Tensor,
    rois: Tensor,
    output: Tensor,
    argmax: Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
) -> None:
    """Fill ``output`` with the largest value of each bin of each region
    (`Fast R-CNN <https://arxiv.org/abs/1504.08083>`_, section 2.1).

    mmcv does not round regions, which torchvision does; bins cover every pixel they touch.

    Args:
        input: (B, C, H, W).
        rois: (R, 5), index of the image, x1, y1, x2, y2 in pixels of the image, the last ones covered.
        output: (R, C, pooled_height, pooled_width); 0 where a bin is empty.
        argmax: int32, alike, filled with y * W + x of the largest value; -1 where a bin is empty.
        pooled_height: Bins.
        pooled_width: Bins.
        spatial_scale: Pixels of the map by pixels of the image.
    """
    height, width = input.shape[2:]
    lowest = torch.finfo(input.dtype).min
    for region, (image, x1, y1, x2, y2) in enumerate(rois.tolist()):
        rows = _bins(y1, y2, spatial_scale, pooled_height, height, input.device)
        columns = _bins(x1, x2, spatial_scale, pooled_width, width, input.device)
        values = input[int(image)]  # [C, H, W]
        by_row, row = values[:, None].masked_fill(~rows[:, :, None], lowest).max(2)  # [C, ph, W]
        best, column = by_row[:, :, None].masked_fill(~columns, lowest).max(3)  # [C, ph, pw]
        there = (rows.any(1)[:, None] & columns.any(1)).expand_as(best)
        output[region] = best.where(there, 0)
        argmax[region] = (row.gather(2, column) * width + column).where(there, -1)


def roi_pool_backward(
    grad_output: Tensor,
    rois: Tensor,
    argmax: Tensor,
    grad_input: Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
) -> None:
    """Fill ``grad_input`` (B, C, H, W): each gradient goes to where the largest value was."""
    batch, channels, height, width = grad_input.shape
    flat = grad_input.new_zeros(batch * channels, height * width)
    if len(rois):
        images = rois[:, 0].long()[:, None] * channels
        planes = images + torch.arange(channels, device=rois.device)  # [R, C]
        places = planes[:, :, None] * (height * width) + argmax.flatten(2).clamp(min=0)
        values = grad_output.flatten(2).where(argmax.flatten(2) >= 0, 0)
        flat.view(-1).index_add_(0, places.flatten(), values.flatten().to(flat.dtype))
    grad_input.copy_(flat.view_as(grad_input))


def _bins(
    first: float, last: float, scale: float, count: int, size: int, device: torch.device
) -> Tensor:
    """Which pixels each bin covers, bool, (count, size)."""
    begin, side = first * scale, (last + 1 - first) * scale
    edges = torch.arange(count + 1, device=device) * (side / count) + begin
    pixels = torch.arange(size, device=device)
    inside = (pixels >= edges[:-1, None].floor()) & (pixels < edges[1:, None].ceil())
    return inside & (side > 0)
