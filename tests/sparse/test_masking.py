"""Random unit masks."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mmgreen.sparse import num_visible, random_mask


@given(
    st.integers(2, 20),
    st.integers(2, 20),
    st.floats(0.01, 0.74),
    st.integers(1, 4),
)
def test_every_mask_leaves_the_same_share(height, width, ratio, num_masks):
    mask = random_mask(height, width, ratio, num_masks)
    assert mask.shape == (num_masks, height, width)
    assert mask.dtype == torch.bool
    visible = (~mask).flatten(1).sum(1)
    assert visible.tolist() == [num_visible(height * width, ratio)] * num_masks


def test_the_paper_leaves_12_of_49():
    assert num_visible(49, 0.75) == 12
    assert num_visible(36, 0.6) == 14
    assert num_visible(10, 0.9) == 1  # 10 * (1 - 0.9) is just below 1 in floating point


def test_units_are_hidden_alike_often():
    masks = random_mask(4, 4, 0.75, 4000)
    share = masks.float().mean(0)
    assert (share - 0.75).abs().max() < 0.04  # six standard deviations


def test_a_generator_decides_the_mask():
    draws = [random_mask(7, 7, generator=torch.Generator().manual_seed(s)) for s in (1, 1, 2)]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


@pytest.mark.parametrize('ratio', [-0.5, 0, 1, 1.5])
def test_ratio_outside_0_to_1_is_refused(ratio):
    with pytest.raises(ValueError, match='between 0 and 1'):
        random_mask(7, 7, ratio)


def test_a_ratio_that_hides_everything_is_refused():
    with pytest.raises(ValueError, match='leaves none of the 4 units visible'):
        random_mask(2, 2, 0.9)
