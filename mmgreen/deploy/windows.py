"""Shifted windows over maps of any size, in one exported program."""

import torch
import torch.nn.functional as F
from mmpretrain.models.utils import ShiftWindowMSA
from torch import Tensor, nn


class SymbolicWindows(ShiftWindowMSA):
    """mmpretrain's shifted windows, whose sizes stay symbols under :func:`torch.export.export`.

    Its values are the same, for maps no smaller than a window. mmpretrain divides floats to learn
    the batch's size, writes regions into a map, and cuts the padding off by a slice, each of which
    would tie an exported program to images like the one it was exported with.
    """

    def forward(self, query: Tensor, hw_shape: tuple[int, int]) -> Tensor:
        """Attend within windows, (B, H * W, C) to the same.

        Args:
            query: Tokens, row by row.
            hw_shape: H and W.
        """
        batch, _, channels = query.shape
        height, width = hw_shape
        side, shift = self.window_size, self.shift_size
        rows, cols = (height + side - 1) // side, (width + side - 1) // side
        x = query.view(batch, height, width, channels)
        x = F.pad(x, (0, 0, 0, cols * side - width, 0, rows * side - height))
        if shift:
            x = x.roll((-shift, -shift), (1, 2))
        x = x.view(batch, rows, side, cols, side, channels).transpose(2, 3)
        mask = _mask(rows, cols, side, shift, x) if shift else None
        x = self.w_msa(x.reshape(batch * rows * cols, side * side, channels), mask)
        x = x.view(batch, rows, cols, side, side, channels).transpose(2, 3)
        x = x.reshape(batch, rows * side, cols * side, channels)
        if shift:
            x = x.roll((shift, shift), (1, 2))
        inside = torch.arange(height, device=x.device)[:, None] * (cols * side)
        inside = (inside + torch.arange(width, device=x.device)).view(-1)
        return x.view(batch, rows * side * cols * side, channels).index_select(1, inside)


def _mask(rows: int, cols: int, side: int, shift: int, x: Tensor) -> Tensor:
    """(windows, S, S): -100, as in Swin, between tokens that were not neighbours before the shift."""

    def regions(windows: int) -> Tensor:  # (windows, side), of three kinds
        places = torch.arange(windows * side, device=x.device)
        first, second = (windows - 1) * side, windows * side - shift
        return ((places >= first).long() + (places >= second).long()).view(windows, side)

    each = 3 * regions(rows)[:, None, :, None] + regions(cols)[None, :, None]
    each = each.reshape(rows * cols, side * side)
    apart = each[:, :, None] != each[:, None]
    return torch.where(apart, x.new_tensor(-100.0), x.new_tensor(0.0))


def make_windows_symbolic(model: nn.Module) -> None:
    """Replace mmpretrain's shifted windows in a model, in place."""
    for module in model.modules():
        if type(module) is ShiftWindowMSA:
            module.__class__ = SymbolicWindows
