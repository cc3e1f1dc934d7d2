"""Convolutions that are computed at some places only."""

import torch.nn.functional as F
from torch import Tensor


def masked_im2col_forward(
    features: Tensor,
    rows: Tensor,
    columns: Tensor,
    data_col: Tensor,
    kernel_h: int,
    kernel_w: int,
    pad_h: int,
    pad_w: int,
) -> None:
    """Fill ``data_col`` (C * kernel size, N) with the patches around some places.

    Args:
        features: (1, C, H, W).
        rows: int64, (N,), of the places.
        columns: int64, (N,).
        data_col: Filled.
        kernel_h: Side of a patch; its stride is 1.
        kernel_w: Side of a patch.
        pad_h: Zeros around the map.
        pad_w: Zeros around the map.
    """
    across = features.shape[3] + 2 * pad_w - kernel_w + 1
    patches = F.unfold(features, (kernel_h, kernel_w), padding=(pad_h, pad_w))[0]
    data_col.copy_(patches[:, rows * across + columns])


def masked_col2im_forward(
    data_col: Tensor,
    rows: Tensor,
    columns: Tensor,
    output: Tensor,
    height: int,
    width: int,
    channels: int,
) -> None:
    """Put ``data_col`` (C, N) at its places in ``output`` (1, C, height, width)."""
    output[0, :, rows, columns] = data_col
