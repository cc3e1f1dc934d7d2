"""Batches follow from seed, step and order alone, and epochs from each other without a pause."""

import time

import torch
from mmengine.dataset import DefaultSampler
from torch.utils.data import BatchSampler, DataLoader, Dataset

from mmgreen.datasets.repeat_batch_sampler import RepeatBatchSampler
from mmgreen.engine.runner.resumable_loader import ResumableLoader


class Noisy(Dataset):
    """Each sample is its index and a random number; how often it is asked for is counted."""

    def __init__(self, size):
        self.size = size
        self.asked = torch.zeros(size).share_memory_()  # workers count, too

    def __len__(self):
        return self.size

    def __getitem__(self, index):
        self.asked[index] += 1
        return torch.tensor([index, torch.rand(())])


def loader_of(dataset, batch_size=2, repeats=1, **settings):
    sampler = DefaultSampler(dataset, seed=0)
    batches = (
        RepeatBatchSampler(sampler, batch_size, repeats)
        if repeats > 1
        else BatchSampler(sampler, batch_size, drop_last=False)
    )
    return ResumableLoader(DataLoader(dataset, batch_sampler=batches, **settings), seed=3)


def test_one_iteration_has_the_batches_of_every_epoch():
    loader = loader_of(Noisy(5))
    loader.seek(until=9)
    together = list(loader)

    apart = []
    for epoch in range(3):
        again = loader_of(Noisy(5))
        again.seek(step=3 * epoch, epoch=epoch, until=3 * (epoch + 1))
        apart += list(again)
    assert len(together) == len(apart) == 9
    assert all(map(torch.equal, together, apart))
    shown = [sorted(int(i) for b in together[k : k + 3] for i in b[:, 0]) for k in (0, 3, 6)]
    assert shown == [[0, 1, 2, 3, 4]] * 3
    assert len({tuple(int(i) for i in torch.cat(together[k : k + 3])[:, 0]) for k in (0, 3, 6)}) > 1


def test_the_next_epoch_is_loaded_while_the_last_batches_are_trained_on():
    dataset = Noisy(4)
    loader = loader_of(dataset, num_workers=1, prefetch_factor=2, persistent_workers=True)
    loader.seek(until=4)
    batches = iter(loader)
    next(batches)
    next(batches)  # of this epoch no batch is left
    try:
        until = time.monotonic() + 20
        while dataset.asked.sum() < 8 and time.monotonic() < until:
            time.sleep(0.01)
        assert dataset.asked.tolist() == [2, 2, 2, 2]
    finally:
        batches.close()


def test_nothing_is_loaded_beyond_the_end():
    dataset = Noisy(4)
    loader = loader_of(dataset)
    loader.seek(until=3)
    assert len(list(loader)) == 3
    assert dataset.asked.sum() == 6


def test_crops_of_one_image_differ_and_are_the_same_again():
    def crops(repeats):
        loader = loader_of(Noisy(6), batch_size=6, repeats=repeats)
        loader.seek(until=2)
        return list(loader)

    first, again = crops(3), crops(3)
    assert all(map(torch.equal, first, again))
    for batch in first:
        assert [int(i) for i in batch[:3, 0]] == [int(batch[0, 0])] * 3
        assert len(set(batch[:, 1].tolist())) == 6
