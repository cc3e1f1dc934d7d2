"""What is taken for what: categories of objects against those of detections."""

import numpy as np

from mmgreen.arrays import Ints

from .matching import IGNORED, Matches


def confusion_matrix(matches: Matches, score: float, overlap: float = 0.5) -> Ints:
    """Count pairs of what is there and what was found.

    Detections take objects of any category, the best score first: of the object of its own
    category and the one of another that it overlaps most, the nearer one that is still free.

    Args:
        matches: Matches of one run.
        score: The score from which a detection counts.
        overlap: IoU from which a detection is of an object.

    Returns:
        (K + 1, K + 1) int64: rows are categories of objects, the last one nothing; columns are
        categories of detections, the last one missed. Crowds, and what lies on them, are left out.
    """
    none = matches.num_categories
    matrix = np.zeros((none + 1, none + 1), dtype=np.int64)
    free = ~matches.gt_ignored[0]
    there = free.copy()
    (drawn,) = np.nonzero(matches.score >= score)
    for d in drawn[np.argsort(-matches.score[drawn], kind='stable')]:
        near = (
            (matches.same_iou[d], matches.same[d]),
            (matches.other_iou[d], matches.other[d]),
        )
        taken = next(
            (o for iou, o in sorted(near, reverse=True) if o >= 0 and iou >= overlap and free[o]),
            None,
        )
        if taken is not None:
            free[taken] = False
            matrix[matches.gt_category[taken], matches.category[d]] += 1
        elif matches.state[0, 0, d] != IGNORED:
            matrix[none, matches.category[d]] += 1
    matrix[:none, none] = np.bincount(matches.gt_category[there & free], minlength=none)
    return matrix
