"""From a unit mask to all index tensors of one sparse forward pass.

Tokens are kept in *nested order*: unit by unit (visible units row-major), and
inside a unit in quad (Z) order, so that the four tokens which patch merging
joins are neighbours in memory at every stage, and merging is a reshape.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from .grouping import optimal_grouping


def nested_order(side: int) -> np.ndarray:
    """Row and column of every token of a unit, in quad order.

    Args:
        side: Tokens along a side of the unit, a power of two.

    Returns:
        int64 array of shape (side * side, 2).
    """
    coords = np.zeros((1, 2), dtype=np.int64)
    quad = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    while len(coords) < side * side:
        coords = (2 * coords[:, None] + quad).reshape(-1, 2)
    return coords


@dataclass
class Windows:
    """One attention pattern: the windows of a stage, plain or shifted, in groups.

    G groups of S slots each; T tokens that one set of indices addresses (those
    of one sample where the batch shares its mask, else those of the batch).

    Attributes:
        slots: (G*S,) int64, the token in each slot, 0 where the slot is empty.
        inverse: (T,) int64, the slot of each token.
        window: (G*S,) int64, the window of each slot, -1 where it is empty.
        code: (G*S,) int64, position inside the window, ``row * (2w - 1) + col``.
        outside: (G*S,) int64, 1 where the slot stands for a position beyond the
            map's border. Dense Swin pads a map to whole windows and lets tokens
            attend to that padding; so must the sparse path, to equal it.
        num_groups: G.
        group_size: S.
        side: Window side w, the one of the bias table.
        has_outside: Whether any slot is outside.
    """

    slots: Tensor
    inverse: Tensor
    window: Tensor
    code: Tensor
    outside: Tensor
    num_groups: int
    group_size: int
    side: int
    has_outside: bool

    #: The index tensors, in the order in which a layout is sent to a device.
    TENSORS = ('slots', 'inverse', 'window', 'code', 'outside')

    @property
    def num_tokens(self) -> int:
        return len(self.inverse)

    @cached_property
    def relative(self) -> Tensor:
        """(G, S, S) int64: row of the relative position bias table for each pair.

        Pairs of different windows get row ``(2w - 1)**2``, one past the table.
        """
        window = self.window.view(self.num_groups, self.group_size)
        code = self.code.view(self.num_groups, self.group_size)
        index = code[:, :, None] - code[:, None, :] + 2 * self.side * (self.side - 1)
        same = window[:, :, None] == window[:, None, :]
        return torch.where(same, index, (2 * self.side - 1) ** 2)


def build_windows(
    rows: np.ndarray,
    cols: np.ndarray,
    map_size: tuple[int, int],
    side: int,
    shift: int,
) -> Windows:
    """Assign tokens to windows and windows to groups.

    A token at (r, c) belongs to window ((r + w - shift) // w,
    (c + w - shift) // w): Swin's cyclic shift with its attention mask, without
    the cycle.

    Args:
        rows: (M, N) int64, map rows of the tokens of each of M masks.
        cols: (M, N) int64, map columns.
        map_size: Height and width of the feature map, in tokens.
        side: Window side w.
        shift: Shift of the windows, 0 <= shift < w.

    Returns:
        The windows of all masks, grouped together.
    """
    num_masks, per_mask = rows.shape
    num_tokens = num_masks * per_mask
    sample = np.repeat(np.arange(num_masks), per_mask)
    token = np.arange(num_tokens)
    row, col = rows.ravel(), cols.ravel()

    # Positions that dense Swin pads the map with, to whole windows.
    padded = [-(-size // side) * side for size in map_size]
    has_outside = tuple(padded) != tuple(map_size)
    if has_outside:
        beyond = np.ones(padded, dtype=bool)
        beyond[: map_size[0], : map_size[1]] = False
        out_row, out_col = np.nonzero(beyond)
        sample = np.concatenate([sample, np.repeat(np.arange(num_masks), len(out_row))])
        row = np.concatenate([row, np.tile(out_row, num_masks)])
        col = np.concatenate([col, np.tile(out_col, num_masks)])
        token = np.concatenate([token, np.full(len(row) - num_tokens, -1)])

    down, right = row + side - shift, col + side - shift
    across = (padded[0] // side + 1, padded[1] // side + 1)  # windows, shifted ones too
    window = (sample * across[0] + down // side) * across[1] + right // side
    code = down % side * (2 * side - 1) + right % side

    if has_outside:  # windows without a visible token are dropped
        seen = np.isin(window, window[:num_tokens])
        token, window, code = token[seen], window[seen], code[seen]

    # Tokens sorted by window, windows numbered 0, 1, ... by what is there.
    order = np.argsort(window, kind='stable')
    _, window, counts = np.unique(window[order], return_inverse=True, return_counts=True)
    token, code = token[order], code[order]
    groups, group_size = optimal_grouping(counts.tolist())

    first_slot = np.empty(len(counts), dtype=np.int64)
    for g, members in enumerate(groups):
        sizes = counts[members]
        first_slot[members] = g * group_size + np.cumsum(sizes) - sizes
    slot = first_slot[window] + np.arange(len(window)) - (np.cumsum(counts) - counts)[window]

    total = len(groups) * group_size
    slots = np.zeros(total, dtype=np.int64)
    slots[slot] = np.maximum(token, 0)
    outside = np.zeros(total, dtype=np.int64)
    outside[slot] = token < 0
    slot_window = np.full(total, -1, dtype=np.int64)
    slot_window[slot] = window
    slot_code = np.zeros(total, dtype=np.int64)
    slot_code[slot] = code
    inverse = np.empty(num_tokens, dtype=np.int64)
    inverse[token[token >= 0]] = slot[token >= 0]

    tensors = map(torch.from_numpy, (slots, inverse, slot_window, slot_code, outside))
    return Windows(*tensors, len(groups), group_size, side, has_outside)


class Layout:
    """All index tensors of one sparse forward pass, built from the mask alone.

    Args:
        mask: Bool, (M, h, w) over mask units, True = masked, on the CPU; M is 1
            for a mask that the batch shares, or the batch size. Every mask
            leaves the same number of units visible.
        unit_side: Tokens along a side of a unit at the first stage, a power of
            two.
        windows: For each stage, the (side, shift) pairs its blocks use.

    Attributes:
        visible: (M, V) int64, visible units, row-major, increasing.
        restore: (M, h*w) int64, for each unit its place among the visible ones,
            or V where it is masked.
        rows: (M, N) int64, rows of the first stage's tokens, in nested order.
        cols: (M, N) int64, their columns.
        windows: :class:`Windows` by (stage, side, shift).

    Raises:
        ValueError: If the mask is not bool or not of three dimensions, hides
            everything, or leaves different numbers of units visible.
    """

    def __init__(
        self, mask: Tensor, unit_side: int, windows: Sequence[Sequence[tuple[int, int]]]
    ) -> None:
        if mask.dtype != torch.bool or mask.dim() != 3:
            raise ValueError(
                'a mask must be a bool tensor of shape (1 or batch, rows, columns) over units, '
                f'not {mask.dtype} of shape {tuple(mask.shape)}'
            )
        num_masks, height, width = mask.shape
        seen = ~mask.cpu().numpy().reshape(num_masks, -1)
        counts = seen.sum(1)
        if counts.min() < 1 or counts.min() != counts.max():
            raise ValueError(
                'every mask must leave the same number of units visible, at least one, '
                f'not {counts.min()} to {counts.max()}'
            )
        num_visible = int(counts[0])
        visible = np.nonzero(seen)[1].reshape(num_masks, num_visible)
        self.visible = torch.from_numpy(visible)
        self.restore = torch.from_numpy(np.where(seen, seen.cumsum(1) - 1, num_visible))
        self.num_visible = num_visible

        self.windows: dict[tuple[int, int, int], Windows] = {}
        for stage, patterns in enumerate(windows):
            stage_side = unit_side >> stage
            inner = nested_order(stage_side)
            # (M, V, tokens of a unit), units first: nested order
            rows = visible[:, :, None] // width * stage_side + inner[:, 0]
            cols = visible[:, :, None] % width * stage_side + inner[:, 1]
            rows, cols = rows.reshape(num_masks, -1), cols.reshape(num_masks, -1)
            if stage == 0:
                self.rows, self.cols = torch.from_numpy(rows), torch.from_numpy(cols)
            map_size = (height * stage_side, width * stage_side)
            for side, shift in sorted(set(patterns)):
                self.windows[stage, side, shift] = build_windows(rows, cols, map_size, side, shift)

    def to(self, device: torch.device | str) -> 'Layout':
        """Send every index tensor to ``device`` in one copy, without waiting for it."""
        if torch.device(device).type == 'cpu':
            return self
        holders = [(self, name) for name in ('visible', 'restore', 'rows', 'cols')]
        holders += [(w, name) for w in self.windows.values() for name in Windows.TENSORS]
        tensors = [getattr(holder, name) for holder, name in holders]
        packed = torch.cat([t.flatten() for t in tensors]).pin_memory()
        parts = packed.to(device, non_blocking=True).split([t.numel() for t in tensors])
        for (holder, name), tensor, part in zip(holders, tensors, parts, strict=True):
            setattr(holder, name, part.view(tensor.shape))
        return self
