"""From a unit mask to all index tensors of one sparse forward pass.

Tokens of all images lie in one flat list, in *nested order*: image by image, cell by
cell (a cell is a token of the last stage; row-major), and inside a cell in quad (Z)
order, so that the four tokens which patch merging joins are neighbours in memory at
every stage, and merging is a reshape. Where units are finer than a stage's tokens, a
token exists if any of its units is visible, and of the four some may be missing.
"""

from collections.abc import Hashable, Sequence
from functools import lru_cache, partial

import numpy as np
import torch
from torch import Tensor

from mmgreen.arrays import Bools, Ints, SmallInts

from .grouping import ABLATIONS, GROUPINGS, enough, fixed_grouping, fixed_shape
from .nested import nested_tokens
from .places import Places
from .window_map import Window, window_map
from .windows import Packing, Room, Windows, build_windows, pairs_within


@lru_cache(maxsize=64)
def room_of_groups(
    units: tuple[int, int],
    unit_side: int,
    cell: int,
    stage: int,
    pattern: Window,
    num_masks: int,
    num_visible: int,
) -> Room:
    """Groups that hold 99 of 100 random masks, by trying many.

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
    samples, beyond = [], []
    for _ in range(max(20, 1000 // num_masks)):  # of many masks together, sums vary less
        order = generator.random((num_masks, units[0] * units[1])).argsort(1).argsort(1)
        pieces, piece_side = _pieces(order < num_visible, unit_side, stage)
        where = window_map(grid, cell >> stage, piece_side, pattern)
        owner, own = where.windows_of_pieces(*np.nonzero(pieces))
        tokens = where.tokens_of_windows(owner, own, num_masks)
        slots = where.slots_of_windows(tokens)
        samples.append(slots[slots > 0])
        beyond.append(int(slots.sum() - tokens.sum()))
    number, size = fixed_shape(samples)
    pairs = [pairs_within(counts, number * size) for counts in samples]
    return Room(number, size, enough(pairs), enough(beyond))


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
            ``'tiles'``, the latter in groups of ``'fixed'`` number and size
            (:mod:`mmgreen.sparse.grouping`).

    Attributes:
        num_masks: M.
        units: Units per column and per row, (h, w).
        visible: (M, V) int32, visible units, row-major, increasing.
        masked: (M, h*w - V) int32, masked units, row-major, increasing.
        rows: (M, N) int32, rows of the first stage's tokens, in nested order.
        cols: (M, N) int32, their columns.
        tokens: (stages, M) int32, how many tokens each mask leaves.
        windows: :class:`Windows` by (stage, :class:`Window`).
        merges: For each stage but the last, :class:`Places` of its tokens in the fours
            that merge, or None where all four are always there.
        restore: :class:`Places` of the last stage's tokens among the cells of all
            masks, row-major.
        hidden: (n,) int32, of the M * cells those with a masked unit, increasing.
        hidden_units: (M * (h*w - V),) int32, for each of ``masked`` its place among the
            units of the hidden cells, which are row-major inside a cell.
        fits: Whether all tensors have the shapes of nearly every mask of as many units, as with
            groups of ``'fixed'`` number and size. Never with units finer than a cell, which leave
            different numbers of tokens.

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
    #: What they are views of, where they have been sent anywhere.
    packed: Tensor | None = None

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
        self.windows: dict[tuple[int, Window], Windows] = {}
        # Units finer than a token leave different numbers of tokens.
        self.fits = grouping == 'fixed' and within == 1
        self.merges: list[Places | None] = []
        for stage, patterns in enumerate(windows):
            pieces, side = _pieces(seen, unit_side, stage)
            image, piece = np.nonzero(pieces)
            tokens.append(side**2 * pieces.sum(1))
            for pattern in sorted({Window(*pattern) for pattern in patterns}):
                where = window_map(grid, cell >> stage, side, pattern)
                if grouping == 'fixed':
                    room = room_of_groups(*(units, unit_side, cell, stage, pattern, *visible.shape))
                    pack: Packing = partial(fixed_grouping, shape=(room.number, room.size))
                else:
                    pack = (GROUPINGS | ABLATIONS)[grouping]
                built = build_windows(image, piece, self.num_masks, where, pattern.side, pack)
                if grouping == 'fixed':
                    self.fits &= built.fill(room)
                self.windows[stage, pattern] = built
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
        packed = self.in_one()
        if torch.device(device).type == 'cuda':
            packed = packed.pin_memory()  # else the copy would wait
        self.unpack(packed.to(device, non_blocking=True))
        return self

    def in_one(self) -> Tensor:
        """All index tensors in one, int32, of which they are views from then on."""
        packed = self.packed
        if packed is None:
            packed = self.pack()
            self.unpack(packed)
        return packed

    def pack(self) -> Tensor:
        """All index tensors in one, int32. Until :meth:`unpack` the layout knows their shapes only."""
        holders = self._holders()
        tensors: list[Tensor] = [getattr(holder, name) for holder, name in holders]
        self._shapes = [(tensor.shape, tensor.dtype) for tensor in tensors]
        for holder, name in holders:
            setattr(holder, name, None)
        return torch.cat([tensor.flatten().int() for tensor in tensors])

    def unpack(self, packed: Tensor) -> None:
        """Take the index tensors back from what :meth:`pack` gave, wherever that is now."""
        parts = torch.split(packed, [shape.numel() for shape, _ in self._shapes])
        for (holder, name), (shape, dtype), part in zip(
            self._holders(), self._shapes, parts, strict=True
        ):
            setattr(holder, name, part.view(shape).to(dtype))
        for windows in self.windows.values():
            windows.forget()
        self.packed = packed

    def structure(self) -> Hashable:
        """All that code which computes by this layout depends on, except the values in its tensors."""
        windows = [
            (at, w.num_groups, w.group_size, w.num_pairs, w.in_order)
            for at, w in self.windows.items()
        ]
        tensors = [getattr(holder, name) for holder, name in self._holders()]
        merges = tuple(merge is None for merge in self.merges)
        return self.units, merges, tuple(windows), tuple(tensor.shape for tensor in tensors)

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
