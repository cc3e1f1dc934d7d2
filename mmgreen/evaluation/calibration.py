"""Whether a score of 0.8 is right eight times in ten."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmgreen.arrays import Floats, Ints

from .matching import IGNORED, MATCHED, Matches


@dataclass(frozen=True)
class Calibration:
    """Scores against how often they are right, at IoU 0.5.

    Attributes:
        count: (B,) int64, detections in each bin of scores, from 0 to 1.
        score: (B,) float64, their mean score, NaN in an empty bin.
        precision: (B,) float64, the share of them that finds an object.
        error: Expected calibration error: |score - precision|, weighted by
            count; NaN if there is no detection.
    """

    count: Ints
    score: Floats
    precision: Floats
    error: float


def calibrate(matches: Matches, bins: int = 10) -> Calibration:
    """Put detections into bins of equal width by score; ignored ones are left out.

    The error is that of `On Calibration of Modern Neural Networks
    <https://arxiv.org/abs/1706.04599>`_, equation 3.
    """
    state = matches.state[0, 0]
    kept = state != IGNORED
    score, right = matches.score[kept], state[kept] == MATCHED
    where = np.minimum((score * bins).astype(np.int64), bins - 1).clip(min=0)
    return _calibration(
        np.bincount(where, minlength=bins),
        np.bincount(where, weights=score, minlength=bins),
        np.bincount(where, weights=right, minlength=bins),
    )


def pool_calibrations(runs: Sequence[Calibration]) -> Calibration:
    """Detections of several runs together, in the same bins."""
    return _calibration(
        np.sum([run.count for run in runs], axis=0),
        np.nansum([run.count * run.score for run in runs], axis=0),
        np.nansum([run.count * run.precision for run in runs], axis=0),
    )


def _calibration(count: Ints, scores: Floats | Ints, right: Floats | Ints) -> Calibration:
    """Divide the sums of each bin by its count."""
    divisor = np.where(count, count, np.nan)
    score, precision = scores / divisor, right / divisor
    total = count.sum()
    error = np.nansum(np.abs(score - precision) * count) / total if total else np.nan
    return Calibration(count, score, precision, float(error))
