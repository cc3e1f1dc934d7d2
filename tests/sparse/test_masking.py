"""Unit masks: random, in blocks, on a grid."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mmgreen.sparse import block_mask, grid_mask, num_visible, random_mask


@given(
    st.integers(2, 20),
    st.integers(2, 20),
    st.floats(0.01, 0.74),
    st.integers(1, 4),
)
def test_every_mask_leaves_the_same_share(height, width, ratio, num_masks):
    masks = [random_mask, block_mask]
    if height % 2 == width % 2 == 0:
        masks += [lambda height, width, _, num_masks: grid_mask(height, width, 0.75, num_masks)]
    for draw in masks:
        mask = draw(height, width, ratio, num_masks)
        assert mask.shape == (num_masks, height, width)
        assert mask.dtype == torch.bool
        share = 0.75 if draw is masks[-1] and len(masks) == 3 else ratio
        visible = (~mask).flatten(1).sum(1)
        assert visible.tolist() == [num_visible(height * width, share)] * num_masks


def test_the_paper_leaves_12_of_49():
    assert num_visible(49, 0.75) == 12
    assert num_visible(36, 0.6) == 14
    assert num_visible(10, 0.9) == 1  # 10 * (1 - 0.9) is just below 1 in floating point


def test_units_are_hidden_alike_often():
    masks = random_mask(4, 4, 0.75, 4000)
    share = masks.float().mean(0)
    assert (share - 0.75).abs().max() < 0.04  # six standard deviations


@pytest.mark.parametrize('draw', [random_mask, block_mask, grid_mask])
def test_a_generator_decides_the_mask(draw):
    draws = [draw(8, 8, generator=torch.Generator().manual_seed(s)) for s in (1, 1, 2)]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


def test_blocks_hide_neighbours_together():
    """Borders between hidden and visible, in a mask of 14x14 units of which 40 % are hidden."""

    def borders(mask):
        return sum((mask.diff(dim=dim) != 0).flatten(1).sum(1) for dim in (1, 2)).float().mean()

    assert borders(block_mask(14, 14, 0.4, 200)) < 0.5 * borders(random_mask(14, 14, 0.4, 200))
    share = block_mask(14, 14, 0.4, 500).float().mean(0)
    assert 0.01 < share.min() < 0.1 < 0.6 < share.max()  # rectangles seldom reach corners


def test_blocks_are_rectangles():
    """One is enough where its area is all that is to be hidden."""
    for mask in block_mask(8, 8, 0.25, 50, min_units=16, min_aspect=1.0):
        rows, cols = mask.any(1).sum(), mask.any(0).sum()
        assert (rows, cols, mask.sum()) == (4, 4, 16)


def test_a_grid_shows_one_of_every_four():
    masks = grid_mask(6, 10, num_masks=400)
    fours = (~masks).unflatten(2, (5, 2)).unflatten(1, (3, 2)).transpose(2, 3)
    assert (fours.sum((3, 4)) == 1).all()
    assert (fours.float().mean((0, 1, 2)) - 0.25).abs().max() < 0.03


@pytest.mark.parametrize(
    ('size', 'ratio', 'words'),
    [((8, 8), 0.6, 'set mask_ratio to 0.75'), ((7, 8), 0.75, '7x8 units are not whole 2x2')],
)
def test_a_grid_has_its_own_ratio_and_size(size, ratio, words):
    with pytest.raises(ValueError, match=words):
        grid_mask(*size, ratio)


@pytest.mark.parametrize('ratio', [-0.5, 0, 1, 1.5])
def test_ratio_outside_0_to_1_is_refused(ratio):
    with pytest.raises(ValueError, match='between 0 and 1'):
        random_mask(7, 7, ratio)


def test_a_ratio_that_hides_everything_is_refused():
    with pytest.raises(ValueError, match='leaves none of the 4 units visible'):
        random_mask(2, 2, 0.9)
