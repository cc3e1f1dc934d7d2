"""Optimal grouping: pack windows, whole, into groups of one size.

Windows hold different numbers of visible tokens. Attention wants one batch of
equal groups. Here windows are items whose weight and value are both their
token count, and a group is a knapsack (GreenMIM, section 3.3, algorithm 1).
Integers in, groups out: nothing here knows of tensors.
"""

from collections.abc import Sequence


def attention_cost(num_groups: int, group_size: int) -> int:
    """Attention pairs of ``num_groups`` dense groups of ``group_size`` slots.

    The paper's cost of n groups of size S at C channels is
    n (4 S C^2 + 2 S^2 C). Projections run on the ungrouped tokens in this
    project, so padding pays the second term only, which is n S^2 up to the
    constant 2 C.
    """
    return num_groups * group_size**2


def fullest_subset(counts: Sequence[int], capacity: int) -> list[int]:
    """Solve 0/1 knapsack where weight equals value, that is subset-sum.

    Args:
        counts: Positive token counts, one per window.
        capacity: Slots of the group.

    Returns:
        Increasing indices into ``counts`` whose sum is the largest that does
        not exceed ``capacity``.
    """
    # Bit s of reachable[i] says whether some of the first i counts sum to s.
    within = (1 << (capacity + 1)) - 1
    reachable = [1]
    for count in counts:
        reachable.append((reachable[-1] | reachable[-1] << count) & within)

    total = reachable[-1].bit_length() - 1
    chosen = []
    for i in range(len(counts) - 1, -1, -1):
        if not reachable[i] >> total & 1:  # not without window i: it is in
            chosen.append(i)
            total -= counts[i]
    return chosen[::-1]


def pack(counts: Sequence[int], group_size: int) -> list[list[int]]:
    """Fill one group after another with the fullest set of windows that fits.

    Args:
        counts: Positive token counts, one per window, none above
            ``group_size``.
        group_size: Slots of a group.

    Returns:
        A partition of ``range(len(counts))`` into groups.

    Raises:
        ValueError: If a window does not fit into a group.
    """
    if counts and max(counts) > group_size:
        raise ValueError(f'a window of {max(counts)} tokens does not fit a group of {group_size}')
    groups, left = [], list(range(len(counts)))
    while left:
        chosen = fullest_subset([counts[i] for i in left], group_size)
        groups.append([left[j] for j in chosen])
        taken = set(groups[-1])
        left = [i for i in left if i not in taken]
    return groups


def optimal_grouping(counts: Sequence[int]) -> tuple[list[list[int]], int]:
    """Pack windows at the group size of least attention cost.

    Every feasible size, from the largest window to all tokens in one group,
    is tried; a size whose cost cannot be lower than the best one found (n
    groups of size S hold all tokens, so n S^2 >= tokens * S) is skipped
    without packing.

    Args:
        counts: Positive token counts, one per window.

    Returns:
        The groups, a partition of ``range(len(counts))``, and their size. Of
        equal costs the smallest size wins.

    Raises:
        ValueError: If there is no window, or a count is not positive.
    """
    if not counts or min(counts) < 1:
        raise ValueError('grouping needs at least one window, and a token in every window')
    tokens = sum(counts)
    best_cost, best_groups, best_size = None, [], 0
    for size in range(max(counts), tokens + 1):
        if best_cost is not None:
            if tokens * size >= best_cost:
                break
            if attention_cost(-(-tokens // size), size) >= best_cost:
                continue
        groups = pack(counts, size)
        cost = attention_cost(len(groups), size)
        if best_cost is None or cost < best_cost:
            best_cost, best_groups, best_size = cost, groups, size
    return best_groups, best_size
