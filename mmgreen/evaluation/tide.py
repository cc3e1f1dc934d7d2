"""Where the errors are, and what each kind costs.

`TIDE: A General Toolbox for Identifying Object Detection Errors
<https://arxiv.org/abs/2008.08115>`_, section 2: every false positive is of one
kind, every object that is not found is missed unless another kind accounts for
it, and a kind costs the AP50 that is gained by correcting it alone.
"""

from dataclasses import dataclass

import numpy as np

from mmgreen.arrays import Bools, Ints

from .matching import IGNORED, MATCHED, Matches

#: Kinds of errors, in the order of the paper.
KINDS = ('class', 'localisation', 'both', 'duplicate', 'background', 'missed')
_CLASS, _LOCALISATION, _BOTH, _DUPLICATE, _BACKGROUND, _MISSED = range(len(KINDS))

#: Overlap from which a detection finds an object, and below which it shows background.
FOREGROUND, BACKGROUND = 0.5, 0.1


@dataclass(frozen=True)
class Errors:
    """Errors of a run by kind.

    Attributes:
        count: How many there are of each of ``KINDS``.
        lost: AP50 lost to each.
        ap50: AP50 as it is, of categories that have objects.
        kind: (D,) int64, the kind of every detection, -1 where it is right or
            ignored.
        missed: (G,) bool, the objects that are missed.
    """

    count: dict[str, int]
    lost: dict[str, float]
    ap50: float
    kind: Ints
    missed: Bools


def find_errors(matches: Matches) -> Errors:
    """Sort errors into kinds, and correct each kind in turn."""
    state = matches.state[0, 0]
    crowd = matches.gt_ignored[0]
    false = state == 0
    near = (matches.same >= 0) & (matches.same_iou >= BACKGROUND)
    kind = np.full(len(state), -1)
    everything = np.ones(len(state), dtype=bool)
    # The first condition that holds decides.
    for number, holds in reversed(
        (
            (_LOCALISATION, near & (matches.same_iou < FOREGROUND)),
            (_CLASS, (matches.other >= 0) & (matches.other_iou >= FOREGROUND)),
            (_DUPLICATE, matches.taken_iou >= FOREGROUND),
            (_BACKGROUND, np.maximum(matches.same_iou, matches.other_iou) <= BACKGROUND),
            (_BOTH, everything),
        )
    ):
        kind[false & holds] = number

    # The object that a wrong class or box would have found, had it been right.
    target = np.where(kind == _CLASS, matches.other, matches.same)
    accounted = np.zeros(len(crowd), dtype=bool)
    accounted[target[(kind == _CLASS) | (kind == _LOCALISATION)]] = True
    missed = ~crowd & ~matches.gt_found & ~accounted

    objects = np.bincount(matches.gt_category[~crowd], minlength=matches.num_categories)
    right, counted = state == MATCHED, state != IGNORED

    def ap50(found: Bools, kept: Bools, category: Ints, positives: Ints) -> float:
        return _ap50(matches, found & kept, counted & kept, category, positives)

    base = ap50(right, everything, matches.category, objects)
    mended = {}
    for number, name in enumerate(KINDS[:-1]):
        wrong = kind == number
        category, repaired = matches.category, np.zeros_like(wrong)
        if number in (_CLASS, _LOCALISATION):
            # Several errors may lie on an object that is not found: the best one finds it.
            candidates = np.flatnonzero(wrong)
            candidates = candidates[~matches.gt_found[target[candidates]]]
            best = candidates[np.argsort(-matches.score[candidates], kind='stable')]
            best = best[np.unique(target[best], return_index=True)[1]]
            repaired[best] = True
            category = category.copy()
            category[best] = matches.gt_category[target[best]]
        mended[name] = ap50(right | repaired, ~wrong | repaired, category, objects)
    left = objects - np.bincount(matches.gt_category[missed], minlength=len(objects))
    mended['missed'] = ap50(right, everything, matches.category, left)

    number = {name: int((kind == i).sum()) for i, name in enumerate(KINDS)}
    number['missed'] = int(missed.sum())
    return Errors(
        count=number,
        lost={name: mended[name] - base for name in KINDS},
        ap50=base,
        kind=kind,
        missed=missed,
    )


def _ap50(
    matches: Matches,
    found: Bools,
    counted: Bools,
    category: Ints,
    positives: Ints,
) -> float:
    """Mean AP of categories with objects: 101 recalls, interpolated precision.

    Args:
        matches: Their order is used.
        found: (D,) bool, true positives.
        counted: (D,) bool, what is not ignored or taken away.
        category: (D,), the category as which each counts.
        positives: (K,), objects of each category.
    """
    (kept,) = np.nonzero(counted)
    kept = kept[
        np.lexsort((matches.rank[kept], matches.image[kept], -matches.score[kept], category[kept]))
    ]
    ends = np.searchsorted(category[kept], np.arange(len(positives) + 1))
    values = []
    for k in np.flatnonzero(positives):
        hits = found[kept[ends[k] : ends[k + 1]]]
        (ranks,) = np.nonzero(hits)
        level = np.arange(1, len(ranks) + 1) / (ranks + 1)
        envelope = np.append(np.maximum.accumulate(level[::-1])[::-1], 0)
        recall = np.arange(1, len(ranks) + 1) / positives[k]
        values.append(envelope[np.searchsorted(recall, np.linspace(0, 1, 101))].mean())
    return float(np.mean(values)) if values else float('nan')
