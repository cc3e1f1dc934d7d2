"""How a stage's map is cut into windows: the same for every mask."""

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from mmgreen.arrays import Ints, SmallInts

from .nested import nested_tokens


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
