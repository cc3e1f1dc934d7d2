"""Windows of visible tokens, in groups."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from mmgreen.arrays import Ints

from .grouping import Groups
from .window_map import WindowMap

#: From slots of windows to groups.
Packing = Callable[[Ints], Groups]


class Room(NamedTuple):
    """Groups into which the windows of nearly every mask fit.

    Attributes:
        number: Groups.
        size: Slots of each.
        pairs: Pairs of slots within a window, those of a slot with itself too.
        beyond: Slots of positions beyond the map's border.
    """

    number: int
    size: int
    pairs: int
    beyond: int


def pairs_within(counts: Ints, slots: int) -> int:
    """Pairs of slots within a window, those of a slot with itself too.

    Args:
        counts: Slots of each window.
        slots: Those of all groups, empty ones included.
    """
    return int((counts**2).sum()) + slots - int(counts.sum())


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
            tokens attend to; one of them may stand there several times.
        num_groups: G.
        group_size: S.
        side: Window side w, the one of the bias table.
        num_pairs: Pairs of slots within a window, those of a slot with itself too, or room
            for more; None where there is one mask, and all pairs are few.
        in_order: Whether one window holds all tokens and slot i token i: nothing need be gathered.
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

    #: Whether there is room for more pairs, or positions beyond the border, than there are.
    has_room: bool = False
    # What follows from the tensors, kept for all blocks. Not by functools, whose locks no compiler can follow.
    _relative: Tensor | None = None
    _within: tuple[Tensor, Tensor] | None = None
    _again: Tensor | None = None

    #: The index tensors, in the order in which a layout is sent to a device.
    TENSORS = ('slots', 'inverse', 'window', 'code', 'beyond')

    @property
    def num_tokens(self) -> int:
        return len(self.inverse)

    @property
    def relative(self) -> Tensor:
        """(G*S*S,) int32: row of the relative position bias table for each pair.

        Pairs of different windows get row ``(2w - 1)**2``, one past the table.
        """
        if self._relative is None:
            window = self.window.view(self.num_groups, self.group_size)
            code = self.code.view(self.num_groups, self.group_size)
            index = code[:, :, None] - code[:, None, :] + 2 * self.side * (self.side - 1)
            same = window[:, :, None] == window[:, None, :]
            self._relative = torch.where(same, index, (2 * self.side - 1) ** 2).flatten()
        return self._relative

    @property
    def within(self) -> tuple[Tensor, Tensor]:
        """(``num_pairs``,) int64 and int32: where in :attr:`relative` pairs within windows are, and its rows there.

        Where there is room for more pairs, the rest has the row of pairs of different windows.
        """
        if self._within is None:
            assert self.num_pairs is not None
            between = (2 * self.side - 1) ** 2
            same = self.relative != between
            # Their number is known, so that a GPU is not waited for.
            where = torch.nonzero_static(same, size=self.num_pairs, fill_value=0).flatten()
            rows = self.relative.index_select(0, where)
            if self.has_room:
                spare = torch.arange(self.num_pairs, device=where.device) >= same.sum()
                rows.masked_fill_(spare, between)
            self._within = where, rows
        return self._within

    @property
    def again(self) -> Tensor:
        """(E,) bool: which of :attr:`beyond` stand there for another time."""
        if self._again is None:
            again = self.beyond == self.beyond[:1]
            again[:1] = False
            self._again = again
        return self._again

    def forget(self) -> None:
        """Compute what follows from the index tensors anew: they hold another mask."""
        self._relative = self._within = self._again = None

    def fill(self, room: 'Room') -> bool:
        """Take all the room that there is, so that all tensors have its shapes; whether there is enough."""
        if (
            (self.num_groups, self.group_size) != (room.number, room.size)
            or (self.num_pairs or 0) > room.pairs
            or len(self.beyond) > room.beyond
            or (room.beyond and not len(self.beyond))
        ):
            return False
        self.has_room = True
        self.num_pairs = self.num_pairs and room.pairs
        # The same slots again, into which the same is written.
        self.beyond = torch.cat(
            [self.beyond, self.beyond[:1].expand(room.beyond - len(self.beyond))]
        )
        return True


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
        pack: One of ``GROUPINGS``, which puts slots of windows into groups.

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

    return Windows(
        slots=slots,
        inverse=place.int(),
        window=window,
        code=code,
        beyond=torch.from_numpy(beyond),
        num_groups=groups.number,
        group_size=groups.size,
        side=side,
        num_pairs=pairs_within(counts, len(slots)) if num_masks > 1 else None,
        in_order=len(held) == 1 and np.array_equal(inverse, np.arange(len(slots))),
    )
