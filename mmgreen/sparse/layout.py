"""From a unit mask to all index tensors of one sparse forward pass.

Tokens of all images lie in one flat list, in *nested order*: image by image, cell by
cell (a cell is a token of the last stage; row-major), and inside a cell in quad (Z)
order, so that the four tokens which patch merging joins are neighbours in memory at
every stage, and merging is a reshape. Where units are finer than a stage's tokens, a
token exists if any of its units is visible, and of the four some may be missing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from mmgreen.arrays import Bools, Ints, SmallInts

from .grouping import GROUPINGS, Groups, fixed_grouping, fixed_shape
from .places import Places

#: From slots of windows to groups.
Packing = Callable[[Ints], Groups]


def nested_order(side: int) -> Ints:
    """Row and column of every token of a square, in quad order.

    Args:
        side: Tokens along a side of the square, a power of two.

    Returns:
        int64 array of shape (side * side, 2).
    """
    coords = np.zeros((1, 2), dtype=np.int64)
    quad = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    while len(coords) < side * side:
        coords = (2 * coords[:, None] + quad).reshape(-1, 2)
    return coords


@lru_cache(maxsize=64)
def nested_tokens(grid: tuple[int, int], side: int) -> tuple[SmallInts, SmallInts]:
    """Map rows and columns of the tokens of every square of a grid, masked ones too.

    Args:
        grid: Squares per column and per row.
        side: Tokens along a side of a square.

    Returns:
        Two int32 arrays, one entry a token: squares row-major, tokens in nested order.
    """
    inner = nested_order(side).astype(np.int32)
    row, col = np.divmod(np.arange(grid[0] * grid[1], dtype=np.int32), grid[1])
    rows = row[:, None] * side + inner[:, 0]
    cols = col[:, None] * side + inner[:, 1]
    return rows.ravel(), cols.ravel()


class Window(NamedTuple):
    """How a block cuts a map into windows.

    Attributes:
        side: Tokens along a side.
        shift: Shift of the windows, 0 <= shift < side.
        beyond: Whether tokens attend to the padding that fills a map to whole windows.
    """

    side: int
    shift: int = 0
    beyond: bool = True


@dataclass(frozen=True)
class WindowMap:
    """Where the tokens of every piece stand in the windows of one stage.

    A piece is what is masked as one: a unit, or a token where units are finer than
    that. The map depends on no mask, so it is computed once. U pieces of P tokens,
    which lie in K windows at most, of W windows.

    Attributes:
        num_windows: W.
        windows: (U, K) int64, the windows of each piece.
        counts: (U, K) int64, its tokens in each of them.
        window: (U, P) int32, the window of each token.
        code: (U, P) int32, its position inside the window, ``row * (2w - 1) + col``.
        which: (U, P) int64, which of the K windows that is.
        rank: (U, P) int32, how many tokens of its piece stand before it in its window.
        beyond_window: (E,) int32, the windows of the positions beyond the map's
            border that tokens attend to. Dense Swin pads a map to whole windows and
            lets tokens attend to that padding; so must the sparse path, to equal it.
        beyond_code: (E,) int32, their positions inside the window.
        beyond_rank: (E,) int64, how many of them stand before it in its window.
        beyond_counts: (W,) int64, how many of them each window has.
    """

    num_windows: int
    windows: Ints
    counts: Ints
    window: SmallInts
    code: SmallInts
    which: Ints
    rank: SmallInts
    beyond_window: SmallInts
    beyond_code: SmallInts
    beyond_rank: Ints
    beyond_counts: Ints

    def windows_of_pieces(self, image: Ints, piece: Ints) -> tuple[Ints, Ints]:
        """The windows, of all masks, of visible pieces, and their tokens there, (n * K,) both."""
        owner = self.windows[piece] + (image * self.num_windows)[:, None]
        return owner.ravel(), self.counts[piece].ravel()

    def tokens_of_windows(self, owner: Ints, own: Ints, num_masks: int) -> Ints:
        """Visible tokens of each window of each mask, (masks * W,)."""
        return np.bincount(owner, own, num_masks * self.num_windows).astype(np.int64)

    def slots_of_windows(self, tokens: Ints) -> Ints:
        """Slots that each window takes, from its visible tokens, (masks * W,) both."""
        beyond = np.tile(self.beyond_counts, len(tokens) // self.num_windows)
        return np.where(tokens > 0, tokens + beyond, 0)


@lru_cache(maxsize=64)
def window_map(grid: tuple[int, int], cell: int, piece_side: int, pattern: Window) -> WindowMap:
    """Cut a stage's map into windows.

    A token at (r, c) belongs to window ((r + w - shift) // w,
    (c + w - shift) // w): Swin's cyclic shift with its attention mask, without
    the cycle.

    Args:
        grid: Cells per column and per row.
        cell: Tokens along a side of a cell at this stage.
        piece_side: Tokens along a side of a piece.
        pattern: Side w and shift of the windows.
    """
    side, shift = pattern.side, pattern.shift
    map_size = [cells * cell for cells in grid]
    padded = [-(-size // side) * side for size in map_size]
    across = padded[1] // side + 1  # windows, shifted ones too
    num_windows = (padded[0] // side + 1) * across

    def place(rows: SmallInts, cols: SmallInts) -> tuple[SmallInts, SmallInts]:
        down, right = rows + side - shift, cols + side - shift
        window = down // side * across + right // side
        return window, down % side * (2 * side - 1) + right % side

    window, code = (t.reshape(-1, piece_side**2) for t in place(*nested_tokens(grid, cell)))
    same = window[:, :, None] == window[:, None, :]  # [U, P, P]
    first = same.argmax(2)  # of the piece's tokens in that window
    new = first == np.arange(window.shape[1])
    which = np.take_along_axis(new.cumsum(1) - 1, first, 1)
    most = which.max() + 1
    windows = np.repeat(
        window[:, :1].astype(np.int64), most, axis=1
    )  # of no tokens, where there are fewer
    np.put_along_axis(windows, which, window, 1)

    beyond = np.full(padded, pattern.beyond)
    beyond[: map_size[0], : map_size[1]] = False
    beyond_window, beyond_code = place(*np.argwhere(beyond).T.astype(np.int32))
    before = np.tril(beyond_window[:, None] == beyond_window, -1).sum(1)
    return WindowMap(
        num_windows=num_windows,
        windows=windows,
        counts=(which[:, :, None] == np.arange(most)).sum(1),
        window=window,
        code=code,
        which=which,
        rank=np.tril(same, -1).sum(2, dtype=np.int32),
        beyond_window=beyond_window,
        beyond_code=beyond_code,
        beyond_rank=before,
        beyond_counts=np.bincount(beyond_window, minlength=num_windows),
    )


@dataclass
class Windows:
    """One attention pattern: the windows of a stage, plain or shifted, in groups.

    G groups of S slots each; T tokens that one set of indices addresses (those
    of one image where the batch shares its mask, else those of the batch).

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
    image: Ints, piece: Ints, num_masks: int, where: WindowMap, side: int, pack: Packing
) -> Windows:
    """Give every visible token its window, every window its group.

    Args:
        image: (n,) int64, the mask of each visible piece, increasing.
        piece: (n,) int64, the piece, increasing within a mask.
        num_masks: M.
        where: The stage's windows.
        side: Window side w.
        pack: From slots of windows to groups, as of ``GROUPINGS``.

    Returns:
        The windows of all masks, grouped together; tokens are numbered as they
        lie in the list.
    """
    num_windows = where.num_windows
    owner, own = where.windows_of_pieces(image, piece)
    tokens = where.tokens_of_windows(owner, own, num_masks)
    slots_of_window = where.slots_of_windows(tokens)
    held = np.flatnonzero(slots_of_window)
    counts = slots_of_window[held]
    groups = pack(counts)
    first = np.zeros(num_masks * num_windows, dtype=np.int64)
    first[held] = groups.first

    # A token stands behind those of earlier pieces in its window, then by its rank.
    order = owner.argsort(kind='stable')
    owner, own = owner[order], own[order]
    start = np.empty_like(own)
    start[order] = own.cumsum() - own + (first + tokens - tokens.cumsum())[owner]
    which = where.which[piece]  # [n, P]
    which += np.arange(0, start.size, where.windows.shape[1])[:, None]
    inverse = start[which].ravel()
    inverse += where.rank[piece].ravel()

    # int32 is half the bytes, for the largest of what goes to a device.
    place = torch.from_numpy(inverse)
    slots, code = torch.zeros(2, groups.number * groups.size, dtype=torch.int32)
    window = torch.arange(-1, -1 - len(slots), -1, dtype=torch.int32)
    slots.scatter_(0, place, torch.arange(len(place), dtype=torch.int32))
    code.scatter_(0, place, torch.from_numpy(where.code[piece].ravel()))
    windows = where.window[piece]
    windows += (image * num_windows).astype(np.int32)[:, None]
    window.scatter_(0, place, torch.from_numpy(windows.ravel()))

    beyond = inverse[:0]
    if len(where.beyond_window):
        # Behind the tokens of their window, where it has some.
        behind = (first + tokens).reshape(num_masks, -1)[:, where.beyond_window]
        chosen = tokens.reshape(num_masks, -1)[:, where.beyond_window] > 0  # [M, E]
        beyond = (behind + where.beyond_rank)[chosen]
        offset = num_windows * np.arange(num_masks, dtype=np.int32)[:, None]
        window[beyond] = torch.from_numpy((where.beyond_window + offset)[chosen])
        code[beyond] = torch.from_numpy(np.tile(where.beyond_code, (num_masks, 1))[chosen])

    num_pairs = int((counts**2).sum()) + len(slots) - int(counts.sum())
    return Windows(
        slots=slots,
        inverse=place.int(),
        window=window,
        code=code,
        beyond=torch.from_numpy(beyond),
        num_groups=groups.number,
        group_size=groups.size,
        side=side,
        num_pairs=num_pairs if num_masks > 1 else None,
        in_order=groups.number == 1 and np.array_equal(inverse, np.arange(len(slots))),
    )


@lru_cache(maxsize=64)
def shape_of_groups(
    units: tuple[int, int],
    unit_side: int,
    cell: int,
    stage: int,
    pattern: Window,
    num_masks: int,
    num_visible: int,
) -> tuple[int, int]:
    """Number and size of groups that hold 99 of 100 random masks, by trying many.

    Args:
        units: Units per column and per row.
        unit_side: Tokens of the first stage along a side of a unit.
        cell: Those along a side of a cell.
        stage: Stage, from 0.
        pattern: The windows.
        num_masks: Masks that are grouped together.
        num_visible: Units that each leaves visible.
    """
    generator = np.random.default_rng(0)
    grid = units[0] * unit_side // cell, units[1] * unit_side // cell
    samples = []
    for _ in range(max(20, 1000 // num_masks)):  # of many masks together, sums vary less
        order = generator.random((num_masks, units[0] * units[1])).argsort(1).argsort(1)
        pieces, piece_side = _pieces(order < num_visible, unit_side, stage)
        where = window_map(grid, cell >> stage, piece_side, pattern)
        owner, own = where.windows_of_pieces(*np.nonzero(pieces))
        slots = where.slots_of_windows(where.tokens_of_windows(owner, own, num_masks))
        samples.append(slots[slots > 0])
    return fixed_shape(samples)


def _pieces(seen: Bools, unit_side: int, stage: int) -> tuple[Bools, int]:
    """Which pieces of a stage hold something visible, (M, pieces), and their side in tokens.

    Args:
        seen: (M, units), whether each unit is visible, in nested order.
        unit_side: Tokens of the first stage along a side of a unit.
        stage: Stage, from 0.
    """
    if unit_side >> stage:
        return seen, unit_side >> stage
    units = (1 << stage) // unit_side  # along a side of a token
    return np.any(seen.reshape(len(seen), -1, units**2), axis=2), 1


class Layout:
    """All index tensors of one sparse forward pass, built from the mask alone.

    Args:
        mask: Bool, (M, h, w) over mask units, True = masked, on the CPU; M is 1
            for a mask that the batch shares, or the batch size. Every mask
            leaves the same number of units visible.
        unit_side: Tokens along a side of a unit at the first stage, a power of
            two, and not above that of a cell, 2 ** (stages - 1).
        windows: For each stage, the windows of its blocks, or their (side, shift).
        grouping: How windows are packed: for fewest attention ``'pairs'`` or GPU
            ``'tiles'``, the latter in groups of ``'fixed'`` number and size, or for
            comparison ``'greedy'`` or ``'pad'`` (:mod:`mmgreen.sparse.grouping`).

    Attributes:
        num_masks: M.
        units: Units per column and per row, (h, w).
        visible: (M, V) int32, visible units, row-major, increasing.
        masked: (M, h*w - V) int32, masked units, row-major, increasing.
        rows: (M, N) int32, rows of the first stage's tokens, in nested order.
        cols: (M, N) int32, their columns.
        tokens: (stages, M) int32, how many tokens each mask leaves.
        windows: :class:`Windows` by (stage, side, shift).
        merges: For each stage but the last, :class:`Places` of its tokens in the fours
            that merge, or None where all four are always there.
        restore: :class:`Places` of the last stage's tokens among the cells of all
            masks, row-major.
        hidden: (n,) int32, of the M * cells those with a masked unit, increasing.
        hidden_units: (M * (h*w - V),) int32, for each of ``masked`` its place among the
            units of the hidden cells, which are row-major inside a cell.

    Raises:
        ValueError: If the mask is not bool or not of three dimensions, hides
            everything, leaves different numbers of units visible, or its units
            do not fill whole cells.
    """

    visible: Tensor
    masked: Tensor
    tokens: Tensor
    rows: Tensor
    cols: Tensor
    hidden: Tensor
    hidden_units: Tensor

    #: The index tensors, in the order in which they are sent to a device.
    TENSORS = ('visible', 'masked', 'tokens', 'rows', 'cols', 'hidden', 'hidden_units')

    def __init__(
        self,
        mask: Tensor,
        unit_side: int,
        windows: Sequence[Sequence[Window | tuple[int, int]]],
        grouping: str = 'pairs',
    ) -> None:
        if mask.dtype != torch.bool or mask.dim() != 3:
            raise ValueError(
                'a mask must be a bool tensor of shape (1 or batch, rows, columns) over units, '
                f'not {mask.dtype} of shape {tuple(mask.shape)}'
            )
        self.num_masks, units = len(mask), (mask.shape[1], mask.shape[2])
        self.units = units
        seen: Bools = ~mask.cpu().numpy().reshape(self.num_masks, -1)
        counts = seen.sum(1)
        if counts.min() < 1 or counts.min() != counts.max():
            raise ValueError(
                'every mask must leave the same number of units visible, at least one, '
                f'not {counts.min()} to {counts.max()}'
            )
        cell = 1 << len(windows) - 1  # tokens along a side
        within = cell // unit_side  # units along a side
        if not within or units[0] % within or units[1] % within:
            raise ValueError(
                f'a mask of {units[0]}x{units[1]} units of {unit_side}x{unit_side} tokens does not '
                f'fill whole tokens of the last stage, each {cell}x{cell}'
            )
        grid = units[0] // within, units[1] // within
        visible = np.nonzero(seen)[1].reshape(self.num_masks, -1)
        masked = np.nonzero(~seen)[1].reshape(self.num_masks, -1)
        unit_rows, unit_cols = nested_tokens(grid, within)
        seen = seen.take(unit_rows * units[1] + unit_cols, axis=1)  # nested from here on
        unit = np.nonzero(seen)[1]
        rows, cols = (
            c.reshape(-1, unit_side**2)[unit].reshape(self.num_masks, -1)
            for c in nested_tokens(grid, cell)
        )

        tokens = []
        self.windows: dict[tuple[int, int, int], Windows] = {}
        self.merges: list[Places | None] = []
        for stage, patterns in enumerate(windows):
            pieces, side = _pieces(seen, unit_side, stage)
            image, piece = np.nonzero(pieces)
            tokens.append(side**2 * pieces.sum(1))
            for pattern in sorted({Window(*pattern) for pattern in patterns}):
                where = window_map(grid, cell >> stage, side, pattern)
                if grouping == 'fixed':
                    shape = shape_of_groups(
                        *(units, unit_side, cell, stage, pattern, *visible.shape)
                    )
                    pack: Packing = partial(fixed_grouping, shape=shape)
                else:
                    pack = GROUPINGS[grouping]
                self.windows[stage, pattern.side, pattern.shift] = build_windows(
                    image, piece, self.num_masks, where, pattern.side, pack
                )
            if stage + 1 < len(windows):
                merge = None
                if not unit_side >> stage + 1:  # units are finer than the next stage's tokens
                    fours = pieces.reshape(-1, 4)
                    merge = Places.of(fours[fours.any(1)].ravel())
                self.merges.append(merge)

        self.restore = Places.of(pieces.ravel())
        hidden = np.flatnonzero(~seen.reshape(-1, within**2).all(1))
        arrays: dict[str, Ints | SmallInts] = dict(
            visible=visible,
            masked=masked,
            tokens=np.stack(tokens),
            rows=rows,
            cols=cols,
            hidden=hidden,
            hidden_units=_units_of_hidden(masked, units, within, hidden),
        )
        for name, array in arrays.items():
            setattr(self, name, torch.from_numpy(array.astype(np.int32, copy=False)))

    def to(self, device: torch.device | str) -> 'Layout':
        """Send every index tensor to ``device`` in one copy, without waiting for it."""
        if torch.device(device).type == 'cpu':
            return self
        packed = self.pack()
        if torch.device(device).type == 'cuda':
            packed = packed.pin_memory()  # else the copy would wait
        self.unpack(packed.to(device, non_blocking=True))
        return self

    def pack(self) -> Tensor:
        """All index tensors in one, int32. Until :meth:`unpack` the layout knows their shapes only."""
        holders = self._holders()
        tensors: list[Tensor] = [getattr(holder, name) for holder, name in holders]
        for (holder, name), tensor in zip(holders, tensors, strict=True):
            setattr(holder, name, (tensor.shape, tensor.dtype))
        return torch.cat([tensor.flatten().int() for tensor in tensors])

    def unpack(self, packed: Tensor) -> None:
        """Take the index tensors back from what :meth:`pack` gave, wherever that is now."""
        holders = self._holders()
        shapes = [getattr(holder, name) for holder, name in holders]
        parts = torch.split(packed, [shape.numel() for shape, _ in shapes])
        for (holder, name), (shape, dtype), part in zip(holders, shapes, parts, strict=True):
            setattr(holder, name, part.view(shape).to(dtype))

    def _holders(self) -> list[tuple[object, str]]:
        """Every index tensor, by what holds it and its name there."""
        holders: list[tuple[object, str]] = [(self, name) for name in self.TENSORS]
        holders += [(w, name) for w in self.windows.values() for name in Windows.TENSORS]
        places = [self.restore, *(merge for merge in self.merges if merge is not None)]
        return holders + [(p, name) for p in places for name in Places.TENSORS]


def _units_of_hidden(masked: Ints, units: tuple[int, int], within: int, hidden: Ints) -> Ints:
    """For each masked unit its place among the units of the hidden cells, flat.

    Args:
        masked: (M, u), row-major units.
        units: Units per column and per row.
        within: Units along a side of a cell.
        hidden: Cells, of those of all masks, that hold masked units.
    """
    rows, cols = np.divmod(masked, units[1])
    cells = (units[0] // within) * (units[1] // within)
    cell = rows // within * (units[1] // within) + cols // within
    cell += cells * np.arange(len(masked))[:, None]
    inner = rows % within * within + cols % within
    places: Ints = np.searchsorted(hidden, cell) * within**2 + inner
    return places.ravel()
