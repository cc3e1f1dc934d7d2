"""Packing windows, whole, into groups of one size.

Windows hold different numbers of visible tokens. Attention wants one batch of
equal groups. In the optimal grouping windows are items whose weight and value
are both their token count, and a group is a knapsack (GreenMIM, section 3.3,
algorithm 1). Integers in, groups out: nothing here knows of tensors.

Windows of one count are alike, so the search works on a histogram of counts, and its
answer says how many windows of each count a group holds; only then do windows get places,
all at once.
"""

import math
from collections.abc import Callable, Sequence
from operator import mul
from typing import NamedTuple

import numpy as np

from mmgreen.arrays import Ints

#: Up to so many windows, first fit and packing in window order are tried too. Of
#: more windows there are many of each count, so that packing large ones first
#: leaves hardly a hole, and looking at every window by itself would take long.
_FEW_WINDOWS = 200


class Groups(NamedTuple):
    """Windows in groups.

    Attributes:
        first: (windows,) int64, the first slot of each window; those of group g
            begin at slot ``g * size``.
        number: Groups.
        size: Slots of a group.
    """

    first: Ints
    number: int
    size: int


#: What groups of one kind hold: how many such groups, and (count, how many windows of it).
Pattern = tuple[int, list[tuple[int, int]]]


def attention_cost(num_groups: int, group_size: int) -> int:
    """Attention pairs of ``num_groups`` dense groups of ``group_size`` slots.

    The paper's cost of n groups of size S at C channels is
    n (4 S C^2 + 2 S^2 C). Projections run on the ungrouped tokens in this
    project, so padding pays the second term only, which is n S^2 up to the
    constant 2 C.
    """
    return num_groups * group_size**2


#: Rows and columns that a fused attention kernel of a GPU computes at once.
TILE = 64
#: A mask whose rows are no multiple of this is copied to pad it.
ALIGNMENT = 8


def tile_cost(num_groups: int, group_size: int) -> int:
    """Tiles of attention that a GPU computes for ``num_groups`` groups of ``group_size`` slots."""
    return num_groups * (-(-group_size // TILE)) ** 2


def fullest_subset(
    counts: Sequence[int], times: Sequence[int], capacity: int
) -> list[tuple[int, int]]:
    """Solve bounded knapsack where weight equals value, that is subset-sum.

    Args:
        counts: Positive token counts.
        times: How many windows there are of each.
        capacity: Slots of the group.

    Returns:
        (position in ``counts``, how many of it) for all that are taken, last
        first. Their sum is the largest that does not exceed ``capacity``; of
        equal sums, the one that takes the fewest of the last count, then of the
        last but one, and so on.
    """
    # Bit s of reachable[i] says whether windows of the first i counts sum to s.
    within = (1 << capacity + 1) - 1
    sums = 1
    reachable = [sums]
    for count, left in zip(counts, times, strict=True):
        left = min(left, capacity // count)  # more do not fit
        while left:  # halves of what is left: every number of windows, in few shifts
            half = left + 1 >> 1
            sums |= sums << count * half & within
            left -= half
        reachable.append(sums)
        if sums >> capacity:  # full: no later window is needed
            break

    total = sums.bit_length() - 1
    chosen = []
    for i in range(len(reachable) - 2, -1, -1):
        taken = 0
        while not reachable[i] >> total & 1:  # not without another window of this count
            taken += 1
            total -= counts[i]
        if taken:
            chosen.append((i, taken))
            if not total:
                break
    return chosen


def pack(
    counts: Sequence[int], times: Sequence[int], group_size: int, most: int
) -> list[Pattern] | None:
    """Fill one group after another with the fullest set of windows that fits.

    :func:`fullest_subset` would answer the same as long as enough windows are
    left for its answer, so one answer makes as many groups as the counts allow.

    Args:
        counts: Positive token counts, none above ``group_size``.
        times: How many windows there are of each.
        group_size: Slots of a group.
        most: Groups to give up after.

    Returns:
        (number of groups, what each holds: (count, how many windows of it)), or
        None if more than ``most`` groups are needed.
    """
    counts, times = list(counts), list(times)
    tokens = sum(map(mul, counts, times))
    spare = most * group_size - tokens  # slots that may stay empty
    patterns = []
    while tokens:
        chosen = fullest_subset(counts, times, group_size)
        held = [(counts[i], taken) for i, taken in chosen]
        filled = sum([count * taken for count, taken in held])
        repeats = min([times[i] // taken for i, taken in chosen])
        spare -= repeats * (group_size - filled)
        if spare < 0:
            return None
        patterns.append((repeats, held))
        tokens -= repeats * filled
        for i, taken in chosen:
            times[i] -= repeats * taken
            if not times[i]:  # the last first: positions before it stay
                del counts[i], times[i]
    return patterns


def optimal_grouping(counts: Sequence[int] | Ints) -> Groups:
    """Pack windows at the group size of least attention cost.

    n groups of size S hold all tokens, so a size costs no less than
    ceil(tokens / S) S^2. Sizes are tried from the lowest such bound upwards,
    until no other size can cost less than the best one found, which is first
    fit to begin with. At each size large windows are packed first, and where
    that needs more groups than it might, windows in their own order, as the
    paper does: no grouping by the paper's algorithm or by first fit costs less.
    Above 200 windows, which a mask for each of many images gives, only the
    first order is tried.

    Args:
        counts: Positive token counts, one per window.

    Returns:
        The groups, of which each window is in one. Of equal costs the smallest
        size wins.

    Raises:
        ValueError: If there is no window, or a count is not positive.
    """
    counts = _checked(counts)
    few = len(counts) <= _FEW_WINDOWS
    tokens, largest = int(counts.sum()), int(counts.max())
    orders = [_multiplicities(counts)]
    if few:
        orders.append((counts.tolist(), [1] * len(counts)))

    # No two groups would fit into one, so at the size of the largest window there
    # are at most 2 tokens / largest + 1 of them; beyond this end every size is worse.
    end = min(tokens, 2 * largest + largest**2 // tokens)
    bounds = sorted(
        [(attention_cost(-(-tokens // size), size), size) for size in range(largest, end + 1)]
    )
    begin = greedy_grouping(counts) if few else pad_grouping(counts)
    best = attention_cost(begin.number, begin.size), begin.size
    best_patterns = None
    for bound, size in bounds:
        if (bound, size) >= best:
            break
        for order in orders:
            # Groups that still beat the best: less cost, or as little at a smaller size.
            most = (best[0] - (size >= best[1])) // size**2
            if most * size < tokens:
                break
            patterns = pack(*order, size, most)
            if patterns is not None:
                best = (attention_cost(sum(n for n, _ in patterns), size), size)
                best_patterns = patterns
    return begin if best_patterns is None else _placed(counts, best_patterns, best[1])


def tile_grouping(counts: Sequence[int] | Ints) -> Groups:
    """Pack windows at the group size of fewest tiles, which is what a GPU pays.

    Fused kernels compute attention in tiles of 64 x 64, full or not, so a group
    of 13 costs what one of 64 costs. Groups are filled to whole tiles, as
    :func:`optimal_grouping` fills them, and their size is then that of the
    fullest, up to a multiple of 8. Arguments and results are the same.
    """
    counts = _checked(counts)
    tokens = int(counts.sum())
    sizes, multiplicities = _multiplicities(counts)
    best, best_patterns = 0, None
    side = -(-sizes[0] // TILE)  # tiles along a side of a group
    # The groups hold all tokens, so they cost at least tokens * side / 64.
    while best_patterns is None or tokens * side < best * TILE:
        most = len(counts) if best_patterns is None else (best - 1) // side**2
        patterns = pack(sizes, multiplicities, side * TILE, most)
        if patterns is not None:
            best, best_patterns = sum(n for n, _ in patterns) * side**2, patterns
        side += 1
    fullest = max(sum(count * taken for count, taken in held) for _, held in best_patterns)
    return _placed(counts, best_patterns, -(-fullest // ALIGNMENT) * ALIGNMENT)


def fixed_shape(samples: Sequence[Sequence[int] | Ints]) -> tuple[int, int]:
    """Number and size of groups that hold the windows of nearly every mask.

    Args:
        samples: Token counts of the windows under each of many masks.

    Returns:
        The shape of fewest tiles that 99 % of the samples fit into: number of
        groups, and their size, a multiple of 8.
    """
    checked = [_checked(counts) for counts in samples]
    tokens = _all_but_the_worst([int(counts.sum()) for counts in checked])
    side = -(-max(int(counts.max()) for counts in checked) // TILE)  # tiles along a group's side
    best, shape = 0, None
    while shape is None or tokens * side < best * TILE:
        most = _all_but_the_worst([_groups_needed(counts, side * TILE) for counts in checked])
        if shape is None or most * side**2 < best:
            best = most * side**2
            shape = most, tokens if most == 1 else side * TILE
        side += 1
    return shape[0], -(-shape[1] // ALIGNMENT) * ALIGNMENT


def enough(needed: Sequence[int]) -> int:
    """What all but one of thirty thousand masks need, as far as some samples of a sum over many windows can say."""
    return math.ceil(np.mean(needed) + 4 * np.std(needed))


def _all_but_the_worst(needed: list[int]) -> int:
    """What is enough for 99 % of them."""
    return sorted(needed)[-1 - len(needed) // 100]


def _groups_needed(counts: Ints, size: int) -> int:
    patterns = pack(*_multiplicities(counts), size, len(counts))
    assert patterns is not None  # every window could have a group of its own
    return sum(n for n, _ in patterns)


def fixed_grouping(counts: Sequence[int] | Ints, shape: tuple[int, int]) -> Groups:
    """Pack windows into groups of a given number and size, of which the last may be empty.

    Windows that do not fit, as of one mask in a hundred, get :func:`tile_grouping`.

    Args:
        counts: Positive token counts, one per window.
        shape: Number and size, of :func:`fixed_shape`.

    Returns:
        See :func:`optimal_grouping`.
    """
    counts = _checked(counts)
    most, size = shape
    if counts.max() <= size:
        patterns = pack(*_multiplicities(counts), size, most)
        if patterns is not None:
            return _placed(counts, patterns, size)._replace(number=most)
    return tile_grouping(counts)


def _multiplicities(counts: Ints) -> tuple[list[int], list[int]]:
    """The different counts, largest first, and how many windows have each."""
    times = np.bincount(counts)
    sizes = np.flatnonzero(times)[::-1]
    return sizes.tolist(), times[sizes].tolist()


def _placed(counts: Ints, patterns: list[Pattern], size: int) -> Groups:
    """Give each window a place in the groups that :func:`pack` describes."""
    rows = []  # count, windows of it in a group, first of such groups, their number, first slot
    group = 0
    for repeats, held in patterns:
        slot = 0
        for count, taken in held:
            rows.append((count, taken, group, repeats, slot))
            slot += count * taken
        group += repeats
    table = np.array(rows)
    # Windows of one count take the places for that count one after another.
    table = table[table[:, 0].argsort(kind='stable')]
    times = table[:, 1] * table[:, 3]
    nth = np.arange(len(counts)) - np.repeat(times.cumsum() - times, times)
    count, taken, group_of, _, slot_of = np.repeat(table, times, axis=0).T
    behind, within = np.divmod(nth, taken)
    first = np.empty(len(counts), dtype=np.int64)
    # Few bits are sorted by radix.
    order = counts.astype(np.int16 if size < 2**15 else np.int64).argsort(kind='stable')
    first[order] = (group_of + behind) * size + slot_of + within * count
    return Groups(first, group, size)


def greedy_grouping(counts: Sequence[int] | Ints) -> Groups:
    """First fit: each window joins the first group with room for it.

    The group size is that of the largest window. An ablation of
    :func:`optimal_grouping`, with the same arguments and results.
    """
    counts = _checked(counts)
    size = int(counts.max())
    first: list[int] = []
    room: list[int] = []
    for count in counts.tolist():
        fit = next((g for g, free in enumerate(room) if free >= count), len(room))
        if fit == len(room):
            room.append(size)
        first.append((fit + 1) * size - room[fit])
        room[fit] -= count
    return Groups(np.array(first), len(room), size)


def pad_grouping(counts: Sequence[int] | Ints) -> Groups:
    """Every window a group of its own, padded to the largest.

    An ablation of :func:`optimal_grouping`, with the same arguments and results.
    """
    counts = _checked(counts)
    size = int(counts.max())
    return Groups(np.arange(len(counts)) * size, len(counts), size)


#: Ways to group the windows of a mask, by the name that configs give them.
GROUPINGS: dict[str, Callable[[Sequence[int] | Ints], Groups]] = {
    'pairs': optimal_grouping,
    'tiles': tile_grouping,
}
#: Ablations of them, which are there to be measured.
ABLATIONS = {'greedy': greedy_grouping, 'pad': pad_grouping}


def _checked(counts: Sequence[int] | Ints) -> Ints:
    counts = np.asarray(counts, dtype=np.int64)
    if not len(counts) or counts.min() < 1:
        raise ValueError('grouping needs at least one window, and a token in every window')
    return counts
