"""Shifted windows over maps of any size, in one exported program."""

from pathlib import Path

import torch
import torch.nn.functional as F
from mmpretrain.models import SwinTransformer
from mmpretrain.models.utils import ShiftWindowMSA
from torch import Tensor, nn

from mmgreen.errors import UserError


class SymbolicWindows(ShiftWindowMSA):
    """mmpretrain's shifted windows, whose sizes stay symbols under :func:`torch.export.export`.

    Its values in evaluation are the same, for maps larger than a window, and with ``pad_small_map``
    for all. mmpretrain divides floats to learn the batch's size, writes regions into a map, and cuts
    the padding off by a slice, each of which would tie an exported program to images like the one it
    was exported with.
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


def export_program(backbone: nn.Module, out: Path) -> None:
    """Write a Swin backbone as a program of :func:`torch.export.save`, which runs without mmgreen.

    It takes normalised images, (B, 3, H, W), float32, of any batch size and of sides that are
    multiples of 32, larger than 32 windows (from 256 pixels, of windows of 7) and up to 8192, and
    gives the maps of the backbone's stages.

    Args:
        backbone: A backbone on the CPU. Its shifted windows become symbolic.
        out: File to write, which ends in ``.pt2``.

    Raises:
        UserError: If it is no Swin Transformer.
    """
    if not isinstance(backbone, SwinTransformer):
        raise UserError(
            f'{type(backbone).__name__} cannot be exported as a .pt2 file: only Swin Transformers can'
        )
    make_windows_symbolic(backbone)
    backbone.eval()  # which gives nothing back, of mmpretrain's
    # A map of one window would be a case of its own.
    least = 1 + max(
        stage.blocks[0].attn.window_size * (backbone.patch_embed.projection.stride[0] << i) // 32
        for i, stage in enumerate(backbone.stages)
    )
    height, width = (torch.export.Dim(name, min=least, max=256) for name in ('rows', 'columns'))
    sizes = {0: torch.export.Dim('batch', max=1024), 2: 32 * height, 3: 32 * width}
    with torch.no_grad():
        program = torch.export.export(
            backbone,
            (torch.zeros(2, 3, 32 * least + 32, 32 * least + 64),),
            dynamic_shapes=(sizes,),
            strict=False,
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    torch.export.save(program, out)
