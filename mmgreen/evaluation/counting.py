"""How many objects are found, missed, and seen where there are none: by score, and by image."""

from dataclasses import dataclass

import numpy as np

from mmgreen.arrays import Floats, Ints

from .matching import MATCHED, UNMATCHED, Matches

#: Scores from which a detection counts.
SCORES = np.arange(100) / 100
#: Score of a detection that is sure: if it is wrong, the label may be.
SURE = 0.8
#: IoU up to which a detection lies on no object, and from which on one.
_APART, _ON = 0.1, 0.5


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
    def precision(self) -> Floats:
        """Share of the detections that are right, (100,); NaN where there is none."""
        total = self.found + self.false
        precision: Floats = self.found / np.where(total, total, np.nan)
        return precision

    @property
    def recall(self) -> Floats:
        """Share of the objects that are found, (100,); NaN where there is none."""
        recall: Floats = self.found / (self.objects or np.nan)
        return recall

    @property
    def f1(self) -> Floats:
        """``2 found / (detections + objects)`` at each score, (100,)."""
        total = self.found + self.false + self.objects
        f1: Floats = 2 * self.found / np.where(total, total, 1)
        return f1

    @property
    def threshold(self) -> float | None:
        """The score from which F1 is highest, and of equals the highest; None where nothing is found."""
        best = len(SCORES) - 1 - int(np.argmax(self.f1[::-1]))
        return float(SCORES[best]) if self.found[best] else None


def count_matches(matches: Matches) -> Counts:
    """Count the matches of a run, all sizes together."""
    state = matches.state[0, 0]
    return Counts(
        objects=float((~matches.gt_ignored[0]).sum()),
        found=_from_each(matches.score[state == MATCHED]),
        false=_from_each(matches.score[state == UNMATCHED]),
    )


@dataclass(frozen=True)
class ImageCounts:
    """What is right and wrong in each image at IoU 0.50, (I,) int64 each.

    Attributes:
        missed: Objects that are not found.
        false: False alarms.
        unlabelled: Those of a score of :data:`SURE` and above that lie on no object: a label may be missing.
        misnamed: Those that lie on an object of another category: a label may be wrong.
    """

    missed: Ints
    false: Ints
    unlabelled: Ints
    misnamed: Ints


def count_by_image(matches: Matches, threshold: float) -> ImageCounts:
    """Count the matches of a run image by image.

    Args:
        matches: Of one run.
        threshold: Score from which a detection counts.
    """

    def count(which: Ints) -> Ints:
        return np.bincount(which, minlength=matches.num_images)

    state, taken = matches.state[0, 0], matches.score >= threshold
    wrong = taken & (state == UNMATCHED)
    sure = wrong & (matches.score >= SURE)
    apart = np.maximum(matches.same_iou, matches.other_iou) < _APART
    named_otherwise = (matches.other_iou >= _ON) & (matches.same_iou < _ON)
    return ImageCounts(
        missed=count(matches.gt_image[~matches.gt_ignored[0]])
        - count(matches.image[taken & (state == MATCHED)]),
        false=count(matches.image[wrong]),
        unlabelled=count(matches.image[sure & apart]),
        misnamed=count(matches.image[sure & named_otherwise]),
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
