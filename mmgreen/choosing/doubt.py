"""How much a detector is in doubt of an image: of classes, by its scores, and of places, by the image flipped."""

from collections.abc import Sequence

import numpy as np
from pycocotools import mask as coco_mask

from mmgreen.arrays import Floats

#: Detections of a lower score are nothing that a detector means.
LEAST_SCORE = 0.05


def doubt_of(found: Sequence[dict], flipped: Sequence[dict]) -> float | None:
    """How much what was found in an image is in doubt.

    Each object counts by its score. Half of its doubt is the entropy of its score in bits: 1 at a score of
    one half, 0 at certainty. The other half is how far the object of its class that is nearest in the
    other view is off: 1 less the IoU of their masks, or of boxes where there are no masks; so a class
    that the flipped image turns into another one is wholly in doubt.

    Args:
        found: Objects of the image, as :func:`mmgreen.apis.to_coco` gives them.
        flipped: Those of the flipped image, flipped back.

    Returns:
        Between 0 and 1; None where nothing was found.
    """
    objects = [*found, *flipped]
    if not objects:
        return None
    overlaps = _overlaps(found, flipped)
    nearest = [*overlaps.max(1, initial=0), *overlaps.max(0, initial=0)]
    scores = np.array([each['score'] for each in objects])
    doubts = (_entropy(scores) + 1 - np.array(nearest)) / 2
    return float((scores * doubts).sum() / scores.sum())


def _entropy(scores: Floats) -> Floats:
    clipped = scores.clip(1e-6, 1 - 1e-6)
    return -clipped * np.log2(clipped) - (1 - clipped) * np.log2(1 - clipped)


def _overlaps(some: Sequence[dict], others: Sequence[dict]) -> Floats:
    """IoU (N, M) of masks or boxes; 0 of objects of different classes."""
    if not some or not others:
        return np.zeros((len(some), len(others)))
    same = np.equal.outer(
        [each['category_id'] for each in some], [each['category_id'] for each in others]
    )
    shapes = [
        [each.get('segmentation', each['bbox']) for each in some_] for some_ in (some, others)
    ]
    return np.asarray(coco_mask.iou(*shapes, [0] * len(others))) * same
