"""Nested order: the tokens of a square in quad (Z) order."""

from functools import lru_cache

import numpy as np

from mmgreen.arrays import Ints, SmallInts


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
