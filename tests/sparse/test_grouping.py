"""Grouping: the laws of every strategy, brute force on small cases, the paper's algorithm."""

from collections import Counter
from itertools import combinations, combinations_with_replacement

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mmgreen.sparse import (
    GROUPINGS,
    Layout,
    Window,
    attention_cost,
    optimal_grouping,
    random_mask,
    tile_cost,
    tile_grouping,
)
from mmgreen.sparse.grouping import (
    ABLATIONS,
    fixed_grouping,
    fixed_shape,
    fullest_subset,
    greedy_grouping,
    pack,
)

EVERY = GROUPINGS | ABLATIONS

counts_of_windows = st.lists(st.integers(1, 49), min_size=1, max_size=40)
few_counts = st.lists(st.integers(1, 12), min_size=1, max_size=9)


def members(groups, counts):
    """The windows of each group, in order; no two may share a slot."""
    found = [[] for _ in range(groups.number)]
    slots = np.zeros(groups.number * groups.size, dtype=int)
    for window in np.argsort(groups.first):
        first = groups.first[window]
        found[first // groups.size].append(int(window))
        slots[first : first + counts[window]] += 1
        assert first // groups.size == (first + counts[window] - 1) // groups.size
    assert slots.max() <= 1
    assert slots.sum() == sum(counts)
    return found


def counts_of_windows_of(mask, stage, pattern):
    """Visible tokens of each window of a stage of Swin under one mask."""
    patterns = [[], [], [], []]
    patterns[stage] = [pattern]
    owner = Layout(mask, 8, patterns, 'pad').windows[stage, Window(*pattern)].window
    counts = np.bincount(owner[owner >= 0])
    return counts[counts > 0].tolist()


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


def papers_cost(counts):
    """Least attention cost by the paper's algorithm, its knapsack table written out."""
    best = None
    for size in range(max(counts), sum(counts) + 1):
        if best is not None and sum(counts) * size >= best:
            break  # n groups hold all tokens: n S^2 >= tokens * S, here and at all larger S
        left, groups = list(counts), 0
        while left:
            table = np.zeros((len(left) + 1, size + 1), dtype=int)
            for i, count in enumerate(left, 1):
                table[i] = table[i - 1]
                with_it = table[i - 1, :-count] + count
                table[i, count:] = np.maximum(table[i, count:], with_it)
            room = size
            for i in range(len(left), 0, -1):
                if table[i, room] != table[i - 1, room]:
                    room -= left.pop(i - 1)
            groups += 1
        cost = attention_cost(groups, size)
        best = cost if best is None else min(best, cost)
    return best


@pytest.mark.parametrize('grouping', EVERY)
@given(counts=counts_of_windows)
def test_every_window_is_in_one_group_whole(grouping, counts):
    groups = members(EVERY[grouping](counts), counts)
    assert sorted(i for group in groups for i in group) == list(range(len(counts)))
    assert all(groups)


@given(few_counts, st.integers(0, 60))
def test_fullest_subset_equals_brute_force(counts, capacity):
    chosen = fullest_subset(counts, [1] * len(counts), capacity)
    assert all(taken == 1 for _, taken in chosen)
    assert len({i for i, _ in chosen}) == len(chosen)
    assert sum(counts[i] for i, _ in chosen) == fullest_by_force(counts, capacity)


@given(few_counts, st.integers(0, 60))
def test_counts_that_repeat_are_as_good_as_windows_one_by_one(counts, capacity):
    values = sorted(set(counts))
    chosen = fullest_subset(values, [counts.count(value) for value in values], capacity)
    assert all(1 <= taken <= counts.count(values[i]) for i, taken in chosen)
    assert sum(values[i] * taken for i, taken in chosen) == fullest_by_force(counts, capacity)


@given(counts_of_windows, st.integers(0, 60))
@settings(deadline=None)
def test_one_answer_for_many_groups_is_the_answer_of_each(counts, extra):
    """Patterns are reused; filling every group anew gives the same groups."""
    size = max(counts) + extra
    values = sorted(set(counts), reverse=True)
    times = [counts.count(value) for value in values]
    reused = [held for n, held in pack(values, times, size, len(counts)) for _ in range(n)]
    anew = []
    while any(times):
        chosen = fullest_subset(values, times, size)
        anew.append([(values[i], taken) for i, taken in chosen])
        for i, taken in chosen:
            times[i] -= taken
    assert reused == anew
    assert pack(values, [counts.count(v) for v in values], size, len(anew) - 1) is None


@given(counts_of_windows)
@settings(deadline=None)
def test_sweep_equals_trying_every_size(counts):
    """Skipping sizes by their lower bound misses nothing."""
    groups = optimal_grouping(counts)
    tokens, ones = sum(counts), [1] * len(counts)
    values = sorted(set(counts), reverse=True)
    times = [counts.count(value) for value in values]
    costs = {}
    for s in range(max(counts), tokens + 1):
        tries = (pack(values, times, s, len(counts)), pack(counts, ones, s, len(counts)))
        costs[s] = attention_cost(min(sum(n for n, _ in patterns) for patterns in tries), s)
    first_fit = greedy_grouping(counts)
    by_first_fit = attention_cost(first_fit.number, first_fit.size)
    costs[first_fit.size] = min(costs[first_fit.size], by_first_fit)
    assert attention_cost(groups.number, groups.size) == min(costs.values())
    assert groups.size == min(s for s, cost in costs.items() if cost == min(costs.values()))


@pytest.mark.parametrize(
    ('grid', 'unit_side', 'side', 'num_masks'),
    [(7, 8, 7, 60), (7, 4, 7, 60), (7, 2, 7, 60), (7, 8, 14, 60), (7, 4, 14, 60)]
    + [(14, 8, 7, 4), (14, 4, 7, 10), (14, 8, 14, 6), (14, 4, 14, 10)],
)
@pytest.mark.parametrize('shifted', [False, True])
def test_never_costs_more_than_the_papers_algorithm(grid, unit_side, side, num_masks, shifted):
    """Random masks at 224 and 448 pixels, the stages of w7 and w14."""
    stage = {8: 0, 4: 1, 2: 2}[unit_side]
    cheaper = 0
    for mask in random_mask(grid, grid, 0.75, num_masks):
        counts = counts_of_windows_of(mask[None], stage, (side, side // 2 * shifted))
        groups = optimal_grouping(counts)
        cost, papers = attention_cost(groups.number, groups.size), papers_cost(counts)
        assert cost <= papers
        cheaper += cost < papers
    print(f'{cheaper} of {num_masks} cost less than by the paper')


@given(counts_of_windows)
@example([16, 18, 16, 20, 20, 37, 5])  # filling groups one after another needs one more
@settings(deadline=None)
def test_optimal_costs_least_of_all_strategies(counts):
    cost = {
        name: attention_cost(g.number, g.size) for name, f in EVERY.items() for g in [f(counts)]
    }
    assert cost['pairs'] <= cost['greedy'] <= cost['pad']


@pytest.mark.parametrize('num_windows', [1, 2, 3, 4, 5])
def test_best_of_all_partitions_for_up_to_five_windows(num_windows):
    """Bin packing is hard and fullest-first a heuristic; every small case comes out optimal."""
    for counts in combinations_with_replacement(range(1, 7), num_windows):
        groups = optimal_grouping(counts)
        best = min(
            attention_cost(len(parts), max(map(sum, parts))) for parts in partitions(list(counts))
        )
        assert attention_cost(groups.number, groups.size) == best, counts


@pytest.mark.parametrize('side', [7, 14])
def test_equal_full_windows_need_no_padding(side):
    groups = optimal_grouping([side * side] * 16)
    assert groups.size == side * side
    assert members(groups, [side * side] * 16) == [[i] for i in range(16)]


def test_worked_example():
    # Four groups of 6 without a hole: 4 + 2, 6, 3 + 3, 1 + 5.
    counts = [4, 2, 6, 3, 3, 1, 5]
    groups = optimal_grouping(counts)
    assert groups.size == 6
    found = {tuple(sorted(counts[i] for i in group)) for group in members(groups, counts)}
    assert found == {(2, 4), (6,), (3, 3), (1, 5)}


def test_first_fit_and_padding():
    for grouping, counts, groups, size in (
        ('greedy', [4, 2, 6, 3, 3, 1, 5], [[0, 1], [2], [3, 4], [5, 6]], 6),
        ('greedy', [3, 5, 2, 3], [[0, 2], [1], [3]], 5),
        ('pad', [3, 5, 2], [[0], [1], [2]], 5),
    ):
        found = EVERY[grouping](counts)
        assert (members(found, counts), found.size) == (groups, size)


@pytest.mark.parametrize('grouping', EVERY)
@pytest.mark.parametrize('counts', [[], [3, 0]])
def test_nothing_to_group_is_refused(grouping, counts):
    with pytest.raises(ValueError, match='at least one window'):
        EVERY[grouping](counts)


def fewest_tiles(counts):
    """By brute force, over all partitions: tiles, and those along a side of a group."""
    found = []
    for parts in partitions(counts):
        size = max(sum(part) for part in parts)
        found.append((tile_cost(len(parts), size), -(-size // 64)))
    return min(found)


@settings(deadline=None)
@given(st.lists(st.integers(1, 70), min_size=1, max_size=7))
def test_tiles_are_within_a_group_of_what_brute_force_finds(counts):
    """Filling one group after another is no exact packing, as in the paper."""
    groups = tile_grouping(counts)
    assert groups.size % 8 == 0
    fewest, side = fewest_tiles(counts)
    assert fewest <= tile_cost(groups.number, groups.size) <= fewest + side**2


@pytest.mark.parametrize(('side', 'unit_side'), [(7, 8), (7, 4), (7, 2), (14, 8), (14, 4)])
def test_masks_need_no_more_tiles_than_by_any_other_grouping(side, unit_side):
    stage = {8: 0, 4: 1, 2: 2}[unit_side]
    for seed in range(20):
        mask = random_mask(7, 7, 0.75, generator=torch.Generator().manual_seed(seed))
        counts = counts_of_windows_of(mask, stage, (side, side // 2))
        tiles = {n: tile_cost(g.number, g.size) for n in EVERY for g in [EVERY[n](counts)]}
        assert tiles['tiles'] == min(tiles.values())


def test_small_groups_of_the_last_stages_become_one():
    """Stage 3 of Swin-B at 224 pixels: four windows of 12 tokens are one tile, not four."""
    groups = tile_grouping([12, 12, 12, 12])
    assert (groups.number, groups.size) == (1, 48)


@given(counts_of_windows, st.integers(1, 30), st.integers(1, 12))
def test_groups_of_a_fixed_shape_hold_every_window_or_are_others(counts, most, eighths):
    groups = fixed_grouping(counts, (most, 8 * eighths))
    found = members(groups, counts)
    assert sorted(i for group in found for i in group) == list(range(len(counts)))
    if (groups.number, groups.size) != (most, 8 * eighths):  # they do not fit
        assert (
            max(counts) > 8 * eighths or pack(counts, [1] * len(counts), 8 * eighths, most) is None
        )
        assert found == members(tile_grouping(counts), counts)


def test_the_fixed_shape_is_what_all_but_the_worst_need():
    plain, worst = [30, 30, 4], [60, 60, 60]
    assert fixed_shape([plain] * 200 + [worst]) == (1, 64)
    assert fixed_shape([plain] * 50 + [worst] * 50) == (3, 64)
    assert fixed_shape([[9, 9, 3]]) == (1, 24)


def test_steps_have_equal_shapes():
    """In 99 of 100 masks for each of the patterns of Swin-B."""
    patterns = [[(7, 0), (7, 3)]] * 3 + [[(7, 0)]]
    shapes = Counter()
    for seed in range(100):
        mask = random_mask(7, 7, 0.75, generator=torch.Generator().manual_seed(seed))
        windows = Layout(mask, 8, patterns, 'fixed').windows
        shapes.update((key, w.num_groups, w.group_size) for key, w in windows.items())
    often = [times for _, times in shapes.most_common(7)]
    assert min(often) >= 97
    assert sum(often) > 690


@pytest.mark.parametrize('stage', [0, 1, 2])
@pytest.mark.parametrize('shift', [0, 3])
def test_windows_of_many_images_leave_hardly_a_hole(stage, shift):
    """Of 64 masks only one order is tried: no more than 2 % above what holds all tokens."""
    counts = counts_of_windows_of(random_mask(7, 7, 0.75, 64), stage, (7, shift))
    groups = optimal_grouping(counts)
    members(groups, counts)
    assert attention_cost(groups.number, groups.size) < 1.02 * sum(counts) * max(counts)
    first_fit = greedy_grouping(counts)
    assert groups.number <= first_fit.number
    assert groups.size == first_fit.size
