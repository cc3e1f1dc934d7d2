"""Curves of training."""

import numpy as np

from mmgreen.report.curves import overfitting_from


def test_overfitting_begins_where_the_validation_loss_is_lowest():
    steps = np.array([100, 200, 300, 400])
    assert overfitting_from(steps, np.array([2.0, 1.0, 1.1, 1.3])) == 200
    assert overfitting_from(steps, np.array([2.0, 1.0, 0.9, 0.905])) is None, 'noise'
    assert overfitting_from(steps, np.array([2.0, 1.0, 0.9, 0.8])) is None
