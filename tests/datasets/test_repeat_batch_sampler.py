"""Several crops of each image, counted as papers count."""

from collections import Counter
from itertools import islice

import pytest
from helpers import ROOT
from hypothesis import given
from hypothesis import strategies as st
from mmengine.dataset import DefaultSampler, InfiniteSampler

from mmgreen.config import load_config
from mmgreen.datasets.repeat_batch_sampler import RepeatBatchSampler
from mmgreen.engine import prepare_run
from mmgreen.errors import UserError


@given(
    images=st.integers(1, 50),
    drawn=st.integers(1, 6),
    repeats=st.integers(1, 5),
    drop_last=st.booleans(),
)
def test_an_epoch_is_as_many_crops_as_images(images, drawn, repeats, drop_last):
    size = drawn * repeats
    sampler = RepeatBatchSampler(DefaultSampler(range(images), seed=0), size, repeats, drop_last)
    batches = list(sampler)
    assert len(batches) == len(sampler)
    assert len(batches) == images // size + (not drop_last and images % size > 0)
    for i, batch in enumerate(batches):
        assert len(batch) == repeats * min(drawn, images - i * drawn)
        assert all(batch[k] == batch[k - k % repeats] for k in range(len(batch)))
    shown = Counter(index for batch in batches for index in batch)
    assert set(shown.values()) <= {repeats}


def test_over_the_epochs_every_image_is_shown():
    order = DefaultSampler(range(20), seed=0)
    sampler = RepeatBatchSampler(order, 8, 4)
    shown = Counter()
    for epoch in range(200):
        order.set_epoch(epoch)
        shown.update(index for batch in sampler for index in batch)
    assert set(shown) == set(range(20))
    assert max(shown.values()) < 2 * min(shown.values())


def test_an_endless_order_goes_on_where_an_epoch_ends():
    order = InfiniteSampler(range(10), seed=0)
    order.skip(0)  # as the loader does
    expected = list(islice(InfiniteSampler(range(10), seed=0), 20))
    sampler = RepeatBatchSampler(order, 4, 2)
    batches = [batch for _ in range(4) for batch in sampler][:10]
    assert [batch[i] for batch in batches for i in (0, 2)] == expected


@pytest.mark.parametrize('repeats', [3, 0, -1, 1.5])
def test_what_does_not_divide_a_batch_is_refused(tmp_path, repeats):
    for folder in ('unlabelled', 'val'):
        (tmp_path / folder).mkdir()
    cfg = load_config(ROOT / 'configs/quickstart/greenmim_swin-nano_demo.py')
    cfg.merge_from_dict(
        {
            'work_dir': str(tmp_path),
            'train_dataloader.dataset.data_root': str(tmp_path),
            'train_dataloader.repeats': repeats,
        }
    )
    with pytest.raises(UserError, match=f'repeats {repeats} does not divide .*batch_size 32'):
        prepare_run(cfg, 'train')
