"""Packing windows, whole, into groups of one size.

Windows hold different numbers of visible tokens. Attention wants one batch of
equal groups. In the optimal grouping windows are items whose weight and value
are both their token count, and a group is a knapsack (GreenMIM, section 3.3,
algorithm 1). Integers in, groups out: nothing here knows of tensors.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from operator import mul

#: Up to so many windows, first fit and packing in window order are tried too. Of
#: more windows there are many of each count, so that packing large ones first
#: leaves hardly a hole, and looking at every window by itself would take long.
_FEW_WINDOWS = 512


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
) -> list[tuple[int, list[tuple[int, int]]]] | None:
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


def optimal_grouping(counts: Sequence[int]) -> tuple[list[list[int]], int]:
    """Pack windows at the group size of least attention cost.

    n groups of size S hold all tokens, so a size costs no less than
    ceil(tokens / S) S^2. Sizes are tried from the lowest such bound upwards,
    until no other size can cost less than the best one found, which is first
    fit to begin with. At each size large windows are packed first, and where
    that needs more groups than it might, windows in their own order, as the
    paper does: no grouping by the paper's algorithm or by first fit costs less.
    Above 512 windows, which a mask for each of many images gives, only the
    first order is tried.

    Args:
        counts: Positive token counts, one per window.

    Returns:
        The groups, a partition of ``range(len(counts))``, and their size. Of
        equal costs the smallest size wins.

    Raises:
        ValueError: If there is no window, or a count is not positive.
    """
    _check(counts)
    tokens, largest = sum(counts), max(counts)
    sizes, multiplicities = _multiplicities(counts)
    orders: list[tuple[Sequence[int], Sequence[int]]] = [(sizes, multiplicities)]
    if len(counts) <= _FEW_WINDOWS:
        orders.append((counts, [1] * len(counts)))

    # No two groups would fit into one, so at the size of the largest window there
    # are at most 2 tokens / largest + 1 of them; beyond this end every size is worse.
    end = min(tokens, 2 * largest + largest**2 // tokens)
    bounds = sorted(
        [(attention_cost(-(-tokens // size), size), size) for size in range(largest, end + 1)]
    )
    begin = greedy_grouping if len(counts) <= _FEW_WINDOWS else pad_grouping
    groups, size = begin(counts)
    best = attention_cost(len(groups), size), size
    best_patterns = [(1, [(counts[i], 1) for i in group]) for group in groups]
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

    return _members(counts, best_patterns), best[1]


def tile_grouping(counts: Sequence[int]) -> tuple[list[list[int]], int]:
    """Pack windows at the group size of fewest tiles, which is what a GPU pays.

    Fused kernels compute attention in tiles of 64 x 64, full or not, so a group
    of 13 costs what one of 64 costs. Groups are filled to whole tiles, as
    :func:`optimal_grouping` fills them, and their size is then that of the
    fullest, up to a multiple of 8. Arguments and results are the same.
    """
    _check(counts)
    tokens = sum(counts)
    sizes, multiplicities = _multiplicities(counts)
    best, best_patterns = 0, None
    side = -(-max(counts) // TILE)  # tiles along a side of a group
    # As many groups as hold all tokens cost at least tokens * side / 64.
    while best_patterns is None or tokens * side < best * TILE:
        most = len(counts) if best_patterns is None else (best - 1) // side**2
        patterns = pack(sizes, multiplicities, side * TILE, most)
        if patterns is not None:
            best, best_patterns = sum(n for n, _ in patterns) * side**2, patterns
        side += 1
    fullest = max(sum(count * taken for count, taken in held) for _, held in best_patterns)
    return _members(counts, best_patterns), -(-fullest // ALIGNMENT) * ALIGNMENT


def fixed_shape(samples: Sequence[Sequence[int]]) -> tuple[int, int]:
    """Number and size of groups that hold the windows of nearly every mask.

    Args:
        samples: Token counts of the windows under each of many masks.

    Returns:
        The shape of fewest tiles that 99 % of the samples fit into: number of
        groups, and their size, a multiple of 8.
    """
    for counts in samples:
        _check(counts)
    tokens = _all_but_the_worst([sum(counts) for counts in samples])
    side = -(-max(map(max, samples)) // TILE)  # tiles along a side of a group
    best, shape = 0, None
    while shape is None or tokens * side < best * TILE:
        most = _all_but_the_worst([_groups_needed(counts, side * TILE) for counts in samples])
        if shape is None or most * side**2 < best:
            best = most * side**2
            shape = most, tokens if most == 1 else side * TILE
        side += 1
    return shape[0], -(-shape[1] // ALIGNMENT) * ALIGNMENT


def _all_but_the_worst(needed: list[int]) -> int:
    """What is enough for 99 % of them."""
    return sorted(needed)[-1 - len(needed) // 100]


def _groups_needed(counts: Sequence[int], size: int) -> int:
    sizes, times = _multiplicities(counts)
    patterns = pack(sizes, times, size, len(counts))
    assert patterns is not None  # every window could have a group of its own
    return sum(n for n, _ in patterns)


def fixed_grouping(counts: Sequence[int], shape: tuple[int, int]) -> tuple[list[list[int]], int]:
    """Pack windows into groups of a given number and size, of which the last may be empty.

    Windows that do not fit, as of one mask in a hundred, get :func:`tile_grouping`.

    Args:
        counts: Positive token counts, one per window.
        shape: Number and size, of :func:`fixed_shape`.

    Returns:
        As of :func:`optimal_grouping`.
    """
    _check(counts)
    most, size = shape
    if max(counts) <= size:
        sizes, times = _multiplicities(counts)
        patterns = pack(sizes, times, size, most)
        if patterns is not None:
            groups = _members(counts, patterns)
            return groups + [[]] * (most - len(groups)), size
    return tile_grouping(counts)


def _multiplicities(counts: Sequence[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The different counts, largest first, and how many windows have each."""
    sizes, times = zip(*sorted(Counter(counts).items(), reverse=True), strict=True)
    return sizes, times


def _members(
    counts: Sequence[int], patterns: list[tuple[int, list[tuple[int, int]]]]
) -> list[list[int]]:
    """Groups of windows, from (how many groups, what each holds), as :func:`pack` gives them."""
    waiting: dict[int, list[int]] = {}
    for i in reversed(range(len(counts))):
        waiting.setdefault(counts[i], []).append(i)
    return [
        [waiting[count].pop() for count, taken in held for _ in range(taken)]
        for repeats, held in patterns
        for _ in range(repeats)
    ]


def greedy_grouping(counts: Sequence[int]) -> tuple[list[list[int]], int]:
    """First fit: each window joins the first group with room for it.

    The group size is that of the largest window. An ablation of
    :func:`optimal_grouping`, with the same arguments and results.
    """
    _check(counts)
    size = max(counts)
    groups: list[list[int]] = []
    room: list[int] = []
    for i, count in enumerate(counts):
        fit = next((g for g, free in enumerate(room) if free >= count), None)
        if fit is None:
            groups.append([i])
            room.append(size - count)
        else:
            groups[fit].append(i)
            room[fit] -= count
    return groups, size


def pad_grouping(counts: Sequence[int]) -> tuple[list[list[int]], int]:
    """Every window a group of its own, padded to the largest.

    An ablation of :func:`optimal_grouping`, with the same arguments and results.
    """
    _check(counts)
    return [[i] for i in range(len(counts))], max(counts)


#: Ways to group the windows of a mask, by the name that configs give them.
GROUPINGS: dict[str, Callable[[Sequence[int]], tuple[list[list[int]], int]]] = {
    'pairs': optimal_grouping,
    'tiles': tile_grouping,
    'greedy': greedy_grouping,
    'pad': pad_grouping,
}


def _check(counts: Sequence[int]) -> None:
    if not counts or min(counts) < 1:
        raise ValueError('grouping needs at least one window, and a token in every window')
