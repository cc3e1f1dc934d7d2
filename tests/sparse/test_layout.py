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

from mmgreen.sparse import Layout
from mmgreen.sparse.layout import nested_order

STAGES = [[(7, 0), (7, 3)]] * 3 + [[(7, 0)]]


@st.composite
def masks(draw):
    height, width = draw(st.integers(1, 6)), draw(st.integers(1, 6))
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
print(Layout(random_mask(7, 7), 8, [[(7, 0)]]).visible.shape[1])
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
    assert layout.restore.tolist() == [[3, 0, 3, 1, 3, 2]]


@given(masks(), st.integers(2, 9), st.data())
@settings(max_examples=60, deadline=None)
def test_laws_of_windows(mask, side, data):
    """Windows as Swin cuts them, each whole in one group, every token in one slot."""
    shift = data.draw(st.integers(0, side - 1))
    num_masks, height, width = mask.shape
    layout = Layout(mask, 4, [[(side, shift)]])
    windows = layout.windows[0, side, shift]
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
        assert torch.equal(
            windows.within, (windows.relative != (2 * side - 1) ** 2).nonzero().flatten()
        )
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


def test_bias_rows_equal_those_of_swin():
    """With everything visible, pairs of a window look up what mmpretrain looks up."""
    layout = Layout(torch.zeros(1, 7, 7, dtype=torch.bool), 1, [[(7, 0)]])
    windows = layout.windows[0, 7, 0]
    order = windows.inverse  # row-major tokens
    relative = windows.relative.view(49, 49)[order][:, order]
    assert torch.equal(relative, WindowMSA(4, (7, 7), 1).relative_position_index.int())


def test_all_visible_windows_are_their_own_groups():
    layout = Layout(torch.zeros(1, 7, 7, dtype=torch.bool), 8, STAGES)
    assert layout.windows[0, 7, 0].group_size == 49
    assert layout.windows[0, 7, 0].num_groups == 64


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
