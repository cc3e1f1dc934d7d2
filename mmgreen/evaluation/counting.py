"""How many objects are found, missed, and seen where there are none, by the score that counts."""

from dataclasses import dataclass

import numpy as np

from mmgreen.arrays import Floats

from .matching import MATCHED, UNMATCHED, Matches

#: Scores from which a detection counts.
SCORES = np.arange(100) / 100


@dataclass(frozen=True)
class Counts:
    """What is right and wrong at IoU 0.50, of detections from each of :data:`SCORES` on.

    Attributes:
        objects: How many there are, crowds left out.
        found: (100,), those that are found, and named right.
        false: (100,), detections of what is not there, or is called otherwise; also of an object found before.
    """

    objects: float
    found: Floats
    false: Floats

    @property
    def f1(self) -> Floats:
        """``2 found / (detections + objects)`` at each score, (100,)."""
        total = self.found + self.false + self.objects
        f1: Floats = 2 * self.found / np.where(total, total, 1)
        return f1

    @property
    def best(self) -> int:
        """Where F1 is highest, and of equals the highest score: its place in :data:`SCORES`."""
        return int(len(SCORES) - 1 - np.argmax(self.f1[::-1]))


def count_matches(matches: Matches) -> Counts:
    """Count the matches of a run, all sizes together."""
    state = matches.state[0, 0]
    return Counts(
        objects=float((~matches.gt_ignored[0]).sum()),
        found=_from_each(matches.score[state == MATCHED]),
        false=_from_each(matches.score[state == UNMATCHED]),
    )


def mean_counts(counts: list[Counts]) -> Counts:
    """The mean of several runs."""
    return Counts(
        counts[0].objects,
        np.mean([each.found for each in counts], axis=0),
        np.mean([each.false for each in counts], axis=0),
    )


def _from_each(scores: Floats) -> Floats:
    return (len(scores) - np.searchsorted(np.sort(scores), SCORES)).astype(float)
