"""The score to take detections from goes with the checkpoint."""

import pytest
from mmengine.logging import MessageHub

from mmgreen.checkpoints import keep_threshold, threshold_of


@pytest.mark.parametrize(
    ('validated', 'kept'),
    [
        ([dict(bbox=0.4)], 0.4),
        ([dict(bbox=0.4, segm=0.5)], 0.5),  # of masks where there are some
        ([dict(bbox=0.4), dict(bbox=0.6)], 0.6),  # the last one
        ([dict(bbox=-1.0)], None),  # nothing found
        ([{}], None),
    ],
)
def test_it_is_that_of_the_last_validation(validated, kept):
    hub = MessageHub('threshold')
    for figures in validated:
        for part, value in figures.items():
            hub.update_scalar(f'val/coco/{part}_threshold', value)
            # A student beside its teacher, who is better.
            hub.update_scalar(f'val/student/coco/{part}_threshold', 0.9)
    checkpoint = dict(meta={})
    keep_threshold(checkpoint, hub)
    assert threshold_of(checkpoint) == kept
    assert threshold_of({}) is None
