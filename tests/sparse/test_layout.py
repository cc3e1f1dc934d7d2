"""Layouts: nested order, windows as Swin has them, groups that keep windows whole."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from helpers import mask_with
from hypothesis import given, settings
from hypothesis import strategies as st
from mmpretrain.models.utils import WindowMSA

from mmgreen.sparse import Layout, Window, group_window_attention, pair_bias
from mmgreen.sparse.nested import nested_order
from mmgreen.sparse.windows import Room

STAGES = [[(7, 0), (7, 3)]] * 3 + [[(7, 0)]]


@st.composite
def masks(draw, within=1, most=6):
    """Of 1 to 3 images and up to 6x6 cells of ``within`` x ``within`` units."""
    height, width = (within * draw(st.integers(1, most)) for _ in range(2))
    units = height * width
    visible = draw(st.integers(1, units))
    num_masks = draw(st.integers(1, 3))
    rows = [
        draw(st.permutations([False] * visible + [True] * (units - visible)))
        for _ in range(num_masks)
    ]
    return torch.tensor(rows).view(num_masks, height, width)


def test_importing_sparse_needs_no_openmmlab():
    """The package works where OpenMMLab is not installed."""
    program = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in ('mmengine', 'mmcv', 'mmdet', 'mmpretrain'):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Absent())
import importlib.util
find = importlib.util.find_spec
importlib.util.find_spec = lambda n, p=None: None if n.startswith('mm') and n != 'mmgreen' else find(n, p)
from mmgreen.sparse import Layout, random_mask
print(Layout(random_mask(7, 7), 8, [[(7, 0)], [], [], []]).visible.shape[1])
"""
    done = subprocess.run([sys.executable, '-c', program], capture_output=True, text=True)
    assert done.stdout.strip() == '12', done.stderr


def test_nested_order_keeps_the_four_of_a_merge_together():
    coords = nested_order(8)
    assert sorted(map(tuple, coords)) == [(r, c) for r in range(8) for c in range(8)]
    parents = coords.reshape(16, 4, 2) // 2
    assert (parents == parents[:, :1]).all()
    # ... and what they merge into is in nested order again
    assert (parents[:, 0] == nested_order(4)).all()


def test_visible_and_restore_are_row_major():
    mask = mask_with(2, 3, [1, 3, 5])
    layout = Layout(mask, 8, STAGES)
    assert layout.visible.tolist() == [[1, 3, 5]]
    assert layout.restore.source.tolist() == [3, 0, 3, 1, 3, 2]
    assert layout.hidden.tolist() == [0, 2, 4]


def tokens_by_force(mask, unit_side, stage, stages):
    """(image, row, column) of each token of a stage that holds something visible, in order.

    Image by image, cells row-major, quad order inside.
    """

    def order(token):
        image, row, col = token
        bits = range(stages - 1 - stage)
        inner = sum((row >> b & 1) << 2 * b + 1 | (col >> b & 1) << 2 * b for b in bits)
        return image, row >> len(bits), col >> len(bits), inner

    seen = ~mask.repeat_interleave(unit_side, 1).repeat_interleave(unit_side, 2).numpy()
    images, rows, cols = np.nonzero(seen)
    return sorted(set(zip(images, rows >> stage, cols >> stage, strict=True)), key=order)


@pytest.mark.parametrize('unit_side', [1, 2, 4, 8])
@given(data=st.data())
@settings(max_examples=10, deadline=None)
def test_units_of_any_size_leave_the_tokens_that_hold_something_visible(unit_side, data):
    mask = data.draw(masks(8 // unit_side, most=2))
    layout = Layout(mask, unit_side, STAGES)
    by_stage = [tokens_by_force(mask, unit_side, stage, 4) for stage in range(4)]
    rows, cols = layout.rows.flatten().tolist(), layout.cols.flatten().tolist()
    assert list(zip(rows, cols, strict=True)) == [t[1:] for t in by_stage[0]]
    for stage, tokens in enumerate(by_stage):
        images = [image for image, _, _ in tokens]
        assert layout.tokens[stage].tolist() == [images.count(i) for i in range(len(mask))]
        for side, shift in STAGES[stage]:
            windows = layout.windows[stage, Window(side, shift)]
            assert windows.num_tokens == len(tokens)
            found = windows.window[windows.inverse].tolist()
            window_of = {}
            for token, window in zip(tokens, found, strict=True):
                image, row, col = token
                key = image, (row + side - shift) // side, (col + side - shift) // side
                assert window_of.setdefault(key, window) == window
            assert len(set(window_of.values())) == len(window_of)

    # Fours: children of each token, or their number where one is missing.
    for stage, merge in enumerate(layout.merges):
        children = {token: i for i, token in enumerate(by_stage[stage])}
        expected = [
            children.get((image, 2 * row + i, 2 * col + j), len(children))
            for image, row, col in by_stage[stage + 1]
            for i in range(2)
            for j in range(2)
        ]
        if merge is None:
            assert expected == list(range(len(children)))
            continue
        assert merge.source.tolist() == expected
        assert merge.place.tolist() == [i for i, c in enumerate(expected) if c < len(children)]
        assert merge.empty.tolist() == [i for i, c in enumerate(expected) if c == len(children)]

    # The last stage's places, and what is to be predicted.
    within = 8 // unit_side
    cells = [n // within for n in mask.shape[1:]]
    last = {token: i for i, token in enumerate(by_stage[3])}
    places = [(i, r, c) for i in range(len(mask)) for r in range(cells[0]) for c in range(cells[1])]
    assert layout.restore.source.tolist() == [last.get(place, len(last)) for place in places]
    units = mask.unflatten(2, (-1, within)).unflatten(1, (-1, within)).transpose(2, 3)
    units = units.flatten(0, 2).flatten(1)  # [cells, units]
    assert layout.hidden.tolist() == units.any(1).nonzero().flatten().tolist()
    number = torch.arange(mask.numel()).view(mask.shape)
    number = number.unflatten(2, (-1, within)).unflatten(1, (-1, within)).transpose(2, 3)
    number = number.flatten(0, 2).flatten(1)[layout.hidden].flatten()  # of the hidden cells' units
    masked = layout.masked + mask[0].numel() * torch.arange(len(mask))[:, None]
    assert torch.equal(number[layout.hidden_units], masked.flatten())


@given(masks(), st.integers(2, 9), st.data())
@settings(max_examples=60, deadline=None)
def test_laws_of_windows(mask, side, data):
    """Windows as Swin cuts them, each whole in one group, every token in one slot."""
    shift = data.draw(st.integers(0, side - 1))
    num_masks, height, width = mask.shape
    layout = Layout(mask, 4, [[(side, shift)], [], []])
    windows = layout.windows[0, Window(side, shift)]
    size, groups = windows.group_size, windows.num_groups
    tokens = layout.rows.numel()

    assert windows.num_tokens == tokens
    assert windows.inverse.unique().numel() == tokens  # one slot each
    assert torch.equal(windows.slots[windows.inverse], torch.arange(tokens).int())
    filled = windows.window >= 0
    assert filled.sum() - len(windows.beyond) == tokens
    without = np.setdiff1d(np.arange(groups * size), windows.inverse)
    assert (windows.slots[without] == 0).all()

    # Tokens share a window where the formula of shifted windows says so.
    rows, cols = layout.rows, layout.cols
    sample = torch.arange(num_masks)[:, None].expand_as(rows)
    expected = torch.stack(
        [sample, (rows + side - shift) // side, (cols + side - shift) // side], -1
    ).view(-1, 3)
    same = (expected[:, None] == expected[None]).all(-1)
    found = windows.window[windows.inverse]
    assert torch.equal(found[:, None] == found[None], same)

    # A window lies in one group.
    group = torch.arange(groups * size) // size
    for window in windows.window[filled].unique():
        assert group[windows.window == window].unique().numel() == 1

    # The pairs within windows; an empty slot has one with itself.
    assert (windows.num_pairs is None) == (num_masks == 1)
    if num_masks > 1:
        where, rows_there = windows.within
        assert torch.equal(where, (windows.relative != (2 * side - 1) ** 2).nonzero().flatten())
        assert torch.equal(rows_there, windows.relative[where])
    assert windows.window[windows.window < 0].unique().numel() == (windows.window < 0).sum()

    # Each pair looks up the bias of its offset; other windows get the row past the table.
    relative = windows.relative.view(groups, size, size)
    reach = 2 * side - 1
    slot = windows.inverse
    for i in range(0, tokens, max(1, tokens // 7)):
        for j in np.flatnonzero((group[slot] == group[slot[i]]).numpy())[::5]:
            entry = relative[group[slot[i]], slot[i] % size, slot[j] % size].item()
            if same[i, j]:
                down = (rows.view(-1)[i] - rows.view(-1)[j]).item() + side - 1
                right = (cols.view(-1)[i] - cols.view(-1)[j]).item() + side - 1
                assert entry == down * reach + right
            else:
                assert entry == reach**2


@given(masks(), st.integers(2, 9), st.integers(0, 30), st.integers(0, 3))
@settings(max_examples=40, deadline=None)
def test_room_that_is_left_changes_nothing(mask, side, pairs, beyond):
    """Attention and its gradients with room for more pairs, and for more positions beyond the border."""
    torch.manual_seed(0)
    (tight, roomy) = (
        Layout(mask, 4, [[(side, 1)], [], []]).windows[0, Window(side, 1)] for _ in range(2)
    )
    room = Room(
        number=tight.num_groups,
        size=tight.group_size,
        pairs=(tight.num_pairs or 0) + pairs,
        beyond=len(tight.beyond) and len(tight.beyond) + beyond,
    )
    assert roomy.fill(room)
    assert roomy.num_pairs == (tight.num_pairs and room.pairs)
    assert len(roomy.beyond) == room.beyond
    qkv, outside = torch.randn(1, tight.num_tokens, 12), torch.randn(12)
    table = torch.randn((2 * side - 1) ** 2, 2)

    def gradients(windows):
        inputs = [x.clone().requires_grad_() for x in (qkv, outside, table)]
        (bias,) = pair_bias([inputs[2]], windows)
        out = group_window_attention(inputs[0], bias, windows, beyond=inputs[1])
        out.square().sum().backward()
        return [out, *(x.grad for x in inputs if x.grad is not None)]

    for found, expected in zip(gradients(roomy), gradients(tight), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
    for less in ('number', 'size', 'pairs', 'beyond'):
        needed = {'pairs': tight.num_pairs, 'beyond': len(tight.beyond)}.get(less, 1)
        if needed:
            assert not tight.fill(room._replace(**{less: needed - 1}))


def test_bias_rows_equal_those_of_swin():
    """With everything visible, pairs of a window look up what mmpretrain looks up."""
    layout = Layout(torch.zeros(1, 7, 7, dtype=torch.bool), 1, [[(7, 0)]])
    windows = layout.windows[0, Window(7)]
    order = windows.inverse  # row-major tokens
    relative = windows.relative.view(49, 49)[order][:, order]
    assert torch.equal(relative, WindowMSA(4, (7, 7), 1).relative_position_index.int())


def test_all_visible_windows_are_their_own_groups():
    layout = Layout(torch.zeros(1, 7, 7, dtype=torch.bool), 8, STAGES)
    assert layout.windows[0, Window(7)].group_size == 49
    assert layout.windows[0, Window(7)].num_groups == 64


@pytest.mark.parametrize(
    ('mask', 'words'),
    [
        (torch.ones(1, 3, 3, dtype=torch.bool), 'at least one'),
        (torch.zeros(3, 3, dtype=torch.bool), 'must be a bool tensor'),
        (torch.zeros(1, 3, 3), 'must be a bool tensor'),
        (torch.tensor([[[True, False]], [[False, False]]]), 'same number of units visible'),
    ],
)
def test_masks_that_make_no_sense_are_refused(mask, words):
    with pytest.raises(ValueError, match=words):
        Layout(mask, 8, STAGES)


@pytest.mark.parametrize('unit_side', [4, 16])
def test_units_fill_whole_tokens_of_the_last_stage(unit_side):
    with pytest.raises(ValueError, match='does not fill whole tokens of the last stage, each 8x8'):
        Layout(mask_with(3, 4, [1, 2]), unit_side, STAGES)


def test_windows_that_differ_in_their_border_alone_are_two():
    """Of Swin, tokens attend to the padding beyond a map; of Twins, they do not."""
    mask = mask_with(2, 3, 4)
    patterns = [[Window(7), Window(7, beyond=False)], [], [], []]
    windows = Layout(mask, 8, patterns).windows
    assert len(windows[0, Window(7)].beyond) > 0
    assert len(windows[0, Window(7, beyond=False)].beyond) == 0
