"""From a unit mask to all index tensors of one sparse forward pass.

Tokens are kept in *nested order*: unit by unit (visible units row-major), and
inside a unit in quad (Z) order, so that the four tokens which patch merging
joins are neighbours in memory at every stage, and merging is a reshape.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import accumulate

import numpy as np
import torch
from torch import Tensor

from mmgreen.arrays import Ints

from .grouping import GROUPINGS, fixed_grouping, fixed_shape


def nested_order(side: int) -> Ints:
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


@lru_cache(maxsize=64)
def unit_tokens(grid: tuple[int, int], unit_side: int) -> tuple[Ints, Ints]:
    """Map rows and columns of the tokens of every unit, masked ones too.

    Args:
        grid: Units per column and per row; U of them.
        unit_side: Tokens along a side of a unit; P in a unit.

    Returns:
        Two int64 arrays of shape (U, P): units row-major, tokens in nested order.
    """
    inner = nested_order(unit_side)
    row, col = np.divmod(np.arange(grid[0] * grid[1]), grid[1])
    rows = row[:, None] * unit_side + inner[:, 0]
    cols = col[:, None] * unit_side + inner[:, 1]
    return rows, cols


@dataclass(frozen=True)
class WindowMap:
    """Where the tokens of every unit stand in the windows of one stage.

    It depends on no mask, so it is computed once. U units of P tokens, W windows.

    Attributes:
        window: (U, P) int64, the window of each token.
        code: (U, P) int64, its position inside the window, ``row * (2w - 1) + col``.
        rank: (U, P) int64, how many tokens of its unit stand before it in its window.
        counts: (U, W) int64, tokens of each unit in each window.
        beyond_window: (E,) int64, the windows of the positions beyond the map's
            border. Dense Swin pads a map to whole windows and lets tokens attend
            to that padding; so must the sparse path, to equal it.
        beyond_code: (E,) int64, their positions inside the window.
        beyond_rank: (E,) int64, how many of them stand before it in its window.
        beyond_counts: (W,) int64, how many of them each window has.
    """

    window: Ints
    code: Ints
    rank: Ints
    counts: Ints
    beyond_window: Ints
    beyond_code: Ints
    beyond_rank: Ints
    beyond_counts: Ints


@lru_cache(maxsize=64)
def window_map(grid: tuple[int, int], unit_side: int, side: int, shift: int) -> WindowMap:
    """Cut a stage's map into windows.

    A token at (r, c) belongs to window ((r + w - shift) // w,
    (c + w - shift) // w): Swin's cyclic shift with its attention mask, without
    the cycle.

    Args:
        grid: Units per column and per row.
        unit_side: Tokens along a side of a unit.
        side: Window side w.
        shift: Shift of the windows, 0 <= shift < w.
    """
    map_size = [units * unit_side for units in grid]
    padded = [-(-size // side) * side for size in map_size]
    across = padded[1] // side + 1  # windows, shifted ones too

    def place(rows: Ints, cols: Ints) -> tuple[Ints, Ints]:
        down, right = rows + side - shift, cols + side - shift
        window = down // side * across + right // side
        return window, down % side * (2 * side - 1) + right % side

    window, code = place(*unit_tokens(grid, unit_side))
    num_windows = (padded[0] // side + 1) * across
    same = window[:, :, None] == window[:, None, :]  # [U, P, P]
    counts = (window[:, :, None] == np.arange(num_windows)).sum(1)

    beyond = np.ones(padded, dtype=bool)
    beyond[: map_size[0], : map_size[1]] = False
    beyond_window, beyond_code = place(*np.nonzero(beyond))
    before = np.tril(beyond_window[:, None] == beyond_window, -1).sum(1)
    return WindowMap(
        window=window,
        code=code,
        rank=np.tril(same, -1).sum(2),
        counts=counts,
        beyond_window=beyond_window,
        beyond_code=beyond_code,
        beyond_rank=before,
        beyond_counts=np.bincount(beyond_window, minlength=num_windows),
    )


@dataclass
class Windows:
    """One attention pattern: the windows of a stage, plain or shifted, in groups.

    G groups of S slots each; T tokens that one set of indices addresses (those
    of one sample where the batch shares its mask, else those of the batch).

    Attributes:
        slots: (G*S,) int32, the token in each slot, 0 where there is none.
        inverse: (T,) int32, the slot of each token.
        window: (G*S,) int32, the window of each slot; an empty one has a number of its
            own, below zero, and so attends to itself alone.
        code: (G*S,) int32, position inside the window, ``row * (2w - 1) + col``.
        beyond: (E,) int64, slots of positions beyond the map's border, which
            tokens attend to.
        num_groups: G.
        group_size: S.
        side: Window side w, the one of the bias table.
        num_pairs: Pairs of slots within a window, those of a slot with itself too; None
            where there is one mask, and all pairs are few.
        in_order: Whether there is one group and its slot i holds token i, as where
            one window holds all tokens: nothing need be gathered.
    """

    slots: Tensor
    inverse: Tensor
    window: Tensor
    code: Tensor
    beyond: Tensor
    num_groups: int
    group_size: int
    side: int
    num_pairs: int | None
    in_order: bool

    #: The index tensors, in the order in which a layout is sent to a device.
    TENSORS = ('slots', 'inverse', 'window', 'code', 'beyond')

    @property
    def num_tokens(self) -> int:
        return len(self.inverse)

    @cached_property
    def relative(self) -> Tensor:
        """(G*S*S,) int32: row of the relative position bias table for each pair.

        Pairs of different windows get row ``(2w - 1)**2``, one past the table.
        """
        window = self.window.view(self.num_groups, self.group_size)
        code = self.code.view(self.num_groups, self.group_size)
        index = code[:, :, None] - code[:, None, :] + 2 * self.side * (self.side - 1)
        same = window[:, :, None] == window[:, None, :]
        return torch.where(same, index, (2 * self.side - 1) ** 2).flatten()

    @cached_property
    def within(self) -> Tensor:
        """(``num_pairs``,) int64: where in :attr:`relative` the pairs within windows are."""
        assert self.num_pairs is not None
        # Their number is known, so that a GPU is not waited for.
        same = self.relative != (2 * self.side - 1) ** 2
        return torch.nonzero_static(same, size=self.num_pairs).flatten()


def build_windows(
    visible: Ints,
    grid: tuple[int, int],
    unit_side: int,
    side: int,
    shift: int,
    grouping: str = 'pairs',
) -> Windows:
    """Give every visible token its window, every window its group.

    Args:
        visible: (M, V) int64, the visible units of each of M masks, increasing.
        grid: Units per column and per row.
        unit_side: Tokens along a side of a unit at this stage.
        side: Window side w.
        shift: Shift of the windows, 0 <= shift < w.
        grouping: One of ``GROUPINGS``, or ``'fixed'``: into groups whose number and
            size are the same for such masks (:func:`shape_of_groups`).

    Returns:
        The windows of all masks, grouped together; tokens are numbered mask by
        mask, in nested order.
    """
    where = window_map(grid, unit_side, side, shift)
    num_masks, num_windows = len(visible), where.counts.shape[1]
    tokens_of_unit = where.counts[visible]  # [M, V, W]
    tokens = tokens_of_unit.sum(1)  # [M, W]
    slots_of_window = _slots_of_windows(tokens, where)

    # The windows that hold tokens, packed into groups, each from a first slot on.
    held = np.flatnonzero(slots_of_window)
    counts = slots_of_window.ravel()[held].tolist()
    if grouping == 'fixed':
        shape = shape_of_groups(grid, unit_side, side, shift, *visible.shape)
        groups, size = fixed_grouping(counts, shape)
    else:
        groups, size = GROUPINGS[grouping](counts)
    first_slot = np.empty(len(counts), dtype=np.int64)
    for g, members in enumerate(groups):
        first_slot[members] = list(accumulate((counts[i] for i in members[:-1]), initial=g * size))
    first = np.zeros((num_masks, num_windows), dtype=np.int64)
    first.flat[held] = first_slot

    # A token stands behind those of earlier units in its window, then by its rank.
    start = first[:, None] + tokens_of_unit.cumsum(1) - tokens_of_unit  # [M, V, W]
    window = where.window[visible]  # [M, V, P]
    inverse = (np.take_along_axis(start, window, 2) + where.rank[visible]).ravel()
    sample = num_windows * np.arange(num_masks)

    # Half the bytes of int64, for the largest of what goes to a device.
    slots, slot_code = np.zeros((2, len(groups) * size), np.int32)
    slot_window = -1 - np.arange(len(slots), dtype=np.int32)
    slots[inverse] = np.arange(len(inverse))
    slot_window[inverse] = (window + sample[:, None, None]).ravel()
    slot_code[inverse] = where.code[visible].ravel()

    beyond = inverse[:0]
    if len(where.beyond_window):
        # Behind the tokens of their window, where it has some.
        owner = where.beyond_window
        chosen = tokens[:, owner] > 0  # [M, E]
        beyond = ((first + tokens)[:, owner] + where.beyond_rank)[chosen]
        slot_window[beyond] = (owner + sample[:, None])[chosen]
        slot_code[beyond] = np.broadcast_to(where.beyond_code, chosen.shape)[chosen]

    num_pairs = sum(count**2 for count in counts) + len(slots) - sum(counts)
    return Windows(
        slots=torch.from_numpy(slots),
        inverse=torch.from_numpy(inverse.astype(np.int32)),
        window=torch.from_numpy(slot_window),
        code=torch.from_numpy(slot_code),
        beyond=torch.from_numpy(beyond),
        num_groups=len(groups),
        group_size=size,
        side=side,
        num_pairs=num_pairs if num_masks > 1 else None,
        in_order=len(groups) == 1 and np.array_equal(inverse, np.arange(len(slots))),
    )


def _slots_of_windows(tokens: Ints, where: WindowMap) -> Ints:
    """Slots that each window takes, from its visible tokens, (masks, W) both."""
    return np.where(tokens > 0, tokens + where.beyond_counts, 0)


@lru_cache(maxsize=64)
def shape_of_groups(
    grid: tuple[int, int], unit_side: int, side: int, shift: int, num_masks: int, num_visible: int
) -> tuple[int, int]:
    """Number and size of groups that hold 99 of 100 random masks, by trying many.

    Args:
        grid: Units per column and per row.
        unit_side: Tokens along a side of a unit at this stage.
        side: Window side w.
        shift: Shift of the windows.
        num_masks: Masks that are grouped together.
        num_visible: Units that each leaves visible.
    """
    where = window_map(grid, unit_side, side, shift)
    generator = np.random.default_rng(0)
    samples = []
    for _ in range(max(20, 1000 // num_masks)):  # of many masks together, sums vary less
        order = generator.random((num_masks, grid[0] * grid[1])).argsort(1)
        tokens = where.counts[order[:, :num_visible]].sum(1)
        slots = _slots_of_windows(tokens, where)
        samples.append(slots[slots > 0].tolist())
    return fixed_shape(samples)


class Layout:
    """All index tensors of one sparse forward pass, built from the mask alone.

    Args:
        mask: Bool, (M, h, w) over mask units, True = masked, on the CPU; M is 1
            for a mask that the batch shares, or the batch size. Every mask
            leaves the same number of units visible.
        unit_side: Tokens along a side of a unit at the first stage, a power of
            two.
        windows: For each stage, the (side, shift) pairs its blocks use.
        grouping: How windows are packed: for fewest attention ``'pairs'`` or GPU
            ``'tiles'``, the latter in groups of ``'fixed'`` number and size, or for
            comparison ``'greedy'`` or ``'pad'`` (:mod:`mmgreen.sparse.grouping`).

    Attributes:
        visible: (M, V) int32, visible units, row-major, increasing.
        masked: (M, h*w - V) int32, masked units, row-major, increasing.
        restore: (M, h*w) int32, for each unit its place among the visible ones,
            or V where it is masked.
        rows: (M, N) int32, rows of the first stage's tokens, in nested order.
        cols: (M, N) int32, their columns.
        windows: :class:`Windows` by (stage, side, shift).

    Raises:
        ValueError: If the mask is not bool or not of three dimensions, hides
            everything, or leaves different numbers of units visible.
    """

    def __init__(
        self,
        mask: Tensor,
        unit_side: int,
        windows: Sequence[Sequence[tuple[int, int]]],
        grouping: str = 'pairs',
    ) -> None:
        if mask.dtype != torch.bool or mask.dim() != 3:
            raise ValueError(
                'a mask must be a bool tensor of shape (1 or batch, rows, columns) over units, '
                f'not {mask.dtype} of shape {tuple(mask.shape)}'
            )
        num_masks, grid = len(mask), (mask.shape[1], mask.shape[2])
        seen = ~mask.cpu().numpy().reshape(num_masks, -1)
        counts = seen.sum(1)
        if counts.min() < 1 or counts.min() != counts.max():
            raise ValueError(
                'every mask must leave the same number of units visible, at least one, '
                f'not {counts.min()} to {counts.max()}'
            )
        self.num_visible = int(counts[0])
        visible = np.nonzero(seen)[1].reshape(num_masks, -1)
        masked = np.nonzero(~seen)[1].reshape(num_masks, -1)
        restore = np.where(seen, seen.cumsum(1) - 1, self.num_visible)
        rows, cols = (c[visible].reshape(num_masks, -1) for c in unit_tokens(grid, unit_side))
        self.visible, self.masked, self.restore, self.rows, self.cols = (
            torch.from_numpy(indices.astype(np.int32))
            for indices in (visible, masked, restore, rows, cols)
        )
        self.windows: dict[tuple[int, int, int], Windows] = {
            (stage, side, shift): build_windows(
                visible, grid, unit_side >> stage, side, shift, grouping
            )
            for stage, patterns in enumerate(windows)
            for side, shift in sorted(set(patterns))
        }

    def to(self, device: torch.device | str) -> 'Layout':
        """Send every index tensor to ``device`` in one copy, without waiting for it."""
        if torch.device(device).type == 'cpu':
            return self
        holders: list[tuple[object, str]] = [
            (self, name) for name in ('visible', 'masked', 'restore', 'rows', 'cols')
        ]
        holders += [(w, name) for w in self.windows.values() for name in Windows.TENSORS]
        tensors: list[Tensor] = [getattr(holder, name) for holder, name in holders]
        packed = torch.cat([t.flatten().int() for t in tensors])
        if torch.device(device).type == 'cuda':
            packed = packed.pin_memory()  # else the copy would wait
        sizes = [t.numel() for t in tensors]
        parts = torch.split(packed.to(device, non_blocking=True), sizes)
        for (holder, name), tensor, part in zip(holders, tensors, parts, strict=True):
            setattr(holder, name, part.view(tensor.shape).to(tensor.dtype))
        return self
