"""Optimal grouping: its laws, and brute force on small cases."""

from itertools import combinations, combinations_with_replacement

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmgreen.sparse import attention_cost, fullest_subset, optimal_grouping, pack

counts_of_windows = st.lists(st.integers(1, 49), min_size=1, max_size=40)
few_counts = st.lists(st.integers(1, 12), min_size=1, max_size=9)


def fullest_by_force(counts, capacity):
    return max(
        sum(subset)
        for size in range(len(counts) + 1)
        for subset in combinations(counts, size)
        if sum(subset) <= capacity
    )


def partitions(items):
    """All ways to split a list into non-empty parts."""
    if not items:
        yield []
        return
    first, rest = items[0], items[1:]
    for parts in partitions(rest):
        yield [[first], *parts]
        for i, part in enumerate(parts):
            yield [*parts[:i], [first, *part], *parts[i + 1 :]]


@given(counts_of_windows)
def test_every_window_is_in_one_group_whole(counts):
    groups, size = optimal_grouping(counts)
    assert sorted(i for group in groups for i in group) == list(range(len(counts)))
    assert all(groups)
    assert all(sum(counts[i] for i in group) <= size for group in groups)


@given(few_counts, st.integers(0, 60))
def test_fullest_subset_equals_brute_force(counts, capacity):
    chosen = fullest_subset(counts, capacity)
    assert len(set(chosen)) == len(chosen)
    assert sum(counts[i] for i in chosen) == fullest_by_force(counts, capacity)


@given(counts_of_windows)
@settings(deadline=None)
def test_sweep_equals_trying_every_size(counts):
    """Skipping sizes by their lower bound misses nothing."""
    groups, size = optimal_grouping(counts)
    costs = {
        s: attention_cost(len(pack(counts, s)), s) for s in range(max(counts), sum(counts) + 1)
    }
    assert attention_cost(len(groups), size) == min(costs.values())
    assert size == min(s for s, cost in costs.items() if cost == min(costs.values()))


@pytest.mark.parametrize('num_windows', [1, 2, 3, 4, 5])
def test_best_of_all_partitions_for_up_to_five_windows(num_windows):
    """Bin packing is hard and fullest-first a heuristic; every small case comes out optimal."""
    for counts in combinations_with_replacement(range(1, 7), num_windows):
        groups, size = optimal_grouping(counts)
        best = min(
            attention_cost(len(parts), max(map(sum, parts))) for parts in partitions(list(counts))
        )
        assert attention_cost(len(groups), size) == best, counts


@pytest.mark.parametrize('side', [7, 14])
def test_equal_full_windows_need_no_padding(side):
    groups, size = optimal_grouping([side * side] * 16)
    assert size == side * side
    assert groups == [[i] for i in range(16)]


def test_worked_example():
    # Four groups of 6 without a hole: 4 + 2, 6, 3 + 3, 1 + 5.
    groups, size = optimal_grouping([4, 2, 6, 3, 3, 1, 5])
    assert size == 6
    assert sorted(map(tuple, groups)) == [(0, 1), (2,), (3, 4), (5, 6)]


@pytest.mark.parametrize('counts', [[], [3, 0]])
def test_nothing_to_group_is_refused(counts):
    with pytest.raises(ValueError, match='at least one window'):
        optimal_grouping(counts)


def test_a_window_larger_than_the_group_is_refused():
    with pytest.raises(ValueError, match='does not fit a group of 4'):
        pack([5, 1], 4)
