"""Layouts by other processes are those of their step, whatever happens to batches and processes."""

import os
import signal

import pytest
import torch
from helpers import finer_greenmim
from hypothesis import given, settings
from hypothesis import strategies as st

from mmgreen.models.selfsup import step_layouts


@pytest.fixture
def started(monkeypatch):
    """Streams that were started."""
    streams = []

    class Counted(step_layouts._Stream):
        def __init__(self, *args):
            super().__init__(*args)
            streams.append(self)

    monkeypatch.setattr(step_layouts, '_Stream', Counted)
    return streams


def taken(widths, workers=0, first=5, between=lambda step: None):
    """The layouts of steps with images of such widths."""
    model = finer_greenmim(16, mask_sharing='sample', layout_workers=workers)
    model.layouts.step = first
    for step, width in enumerate(widths):
        between(step)
        yield model.layouts.take(torch.zeros(3, 3, 96, width)).pack()
    model.layouts.close()


@pytest.mark.parametrize('workers', [1, 2])
def test_two_epochs_start_processes_once(workers, started):
    """The last batch of an epoch is smaller."""
    widths = 2 * [128, 128, 128, 128, 64]
    for ours, theirs in zip(taken(widths, workers), taken(widths), strict=True):
        assert torch.equal(ours, theirs)
    assert len(started) == 1


@settings(max_examples=3, deadline=None)  # processes are started
@given(st.lists(st.sampled_from([64, 128]), min_size=1, max_size=7))
def test_batches_of_any_sizes(widths):
    for ours, theirs in zip(taken(widths, 1), taken(widths), strict=True):
        assert torch.equal(ours, theirs)


def test_a_size_that_stays_has_processes_of_its_own(started):
    list(taken([64, 64, 64, 128, 128, 128, 128], 1))
    assert [stream.at for stream in started] == [5 + 3, 5 + 7]


def test_a_process_that_dies_is_replaced(started, caplog):
    def kill(step):
        if step == 2:
            (worker,) = started[0]._layouts._workers
            os.kill(worker.pid, signal.SIGKILL)
            worker.join()

    widths = [128] * 12
    for ours, theirs in zip(taken(widths, 1, between=kill), taken(widths), strict=True):
        assert torch.equal(ours, theirs)
    assert len(started) == 2


@pytest.mark.parametrize(
    ('sharing', 'given', 'on_gpu', 'images', 'workers'),
    [
        ('sample', None, True, 128, 1),
        ('sample', None, True, 31, 0),
        ('sample', None, False, 128, 0),  # the cores are the model's
        ('batch', None, True, 128, 0),
        ('batch', 2, False, 1, 2),
        ('sample', 0, True, 128, 0),
    ],
)
def test_workers_follow_from_device_and_batch(sharing, given, on_gpu, images, workers):
    class Batch(list):
        is_cuda = on_gpu

    model = finer_greenmim(32, mask_sharing=sharing, layout_workers=given)
    assert model.layouts._workers_for(Batch(range(images))) == workers
