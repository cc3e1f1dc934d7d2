"""Simulated devices: what they wait for follows from the rates."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmgreen.benchmark.waiting import share_waiting, workers_wanted

SECONDS = st.floats(0.01, 1)


@given(SECONDS, SECONDS, st.integers(1, 6), st.integers(1, 4))
def test_batches_of_one_length_are_a_matter_of_rates(batch, step, workers, devices):
    """A step takes as long as the slower of its device and its loaders."""
    expected = 1 - step / max(step, batch / workers)
    found = share_waiting([batch], step, workers, devices)
    assert found == pytest.approx(expected, abs=0.02)


@given(st.lists(SECONDS, min_size=2, max_size=5), SECONDS, st.integers(1, 8))
def test_the_slowest_of_several_devices_is_waited_for(batches, step, devices):
    alone, together = (share_waiting(batches, step, 2, n) for n in (1, devices + 1))
    assert together >= alone - 0.05
    assert 0 <= together < 1


def test_batches_of_changing_length_want_more_than_their_mean_does():
    assert workers_wanted([0.1], 0.11, devices=8) == 1
    assert workers_wanted([0.02, 0.18], 0.11, devices=8) == 2


@given(st.lists(SECONDS, min_size=1, max_size=5), st.floats(0.05, 1))
def test_fewest_workers(batches, step):
    workers = workers_wanted(batches, step, devices=8)
    assert share_waiting(batches, step, workers, 8) <= 0.01
    assert workers == 1 or share_waiting(batches, step, workers - 1, 8) > 0.01
