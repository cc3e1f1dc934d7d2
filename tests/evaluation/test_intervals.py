"""Intervals of groups of runs know both seeds and images."""

import numpy as np
import pytest
from scipy import stats

from mmgreen.evaluation import confidence_interval, group_interval


def test_of_seeds_alone_it_is_students():
    values = np.array([0.31, 0.35, 0.30, 0.36])
    interval = group_interval(values.mean(), np.full(500, 0.4), values)
    expected = stats.t.interval(0.95, 3, values.mean(), stats.sem(values))
    assert interval == pytest.approx(expected)


def test_of_images_alone_it_is_that_of_one_run():
    samples = np.random.default_rng(0).normal(0.5, 0.02, 20_000)
    interval = group_interval(0.45, samples, np.array([0.45, 0.45, 0.45]))
    assert interval == pytest.approx(confidence_interval(0.45, samples), abs=1e-3)


@pytest.mark.parametrize(('seeds', 'images'), [(1.0, 0.0), (1.0, 1.0), (1.0, 3.0), (0.2, 1.0)])
def test_nineteen_of_twenty_hold_the_truth(seeds, images):
    """Three seeds on the same images, whose variance is known, again and again."""
    rng = np.random.default_rng(0)
    spread = rng.normal(0, images, 400)  # resamples
    held = 0
    for _ in range(2000):
        of_runs = rng.normal(0, images) + rng.normal(0, seeds, 3)
        low, high = group_interval(of_runs.mean(), spread, of_runs)
        held += low < 0 < high
    assert held / 2000 > 0.93


def test_nothing_to_resample_is_no_interval():
    assert np.isnan(group_interval(np.nan, np.full(5, np.nan), np.full(3, np.nan))).all()
