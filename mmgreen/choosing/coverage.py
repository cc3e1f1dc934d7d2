"""Few images that stand for many."""

import numpy as np

from mmgreen.arrays import Floats

# Images that are to be stood for, at most; of more, some evenly spaced.
_STOOD_FOR = 4000


def cover(
    features: Floats, weights: Floats, number: int, known: Floats | None = None
) -> list[tuple[int, float]]:
    """Choose images so that every image has one like it among those chosen or known.

    What is made as large as it can be, one image after the other, is the sum over all images of their
    weight times the likeness to the nearest one chosen or known (facility location: each choice is
    within 1 - 1/e of the best, `Nemhauser et al., 1978 <https://doi.org/10.1007/BF01588971>`_). So an
    image that stands for many comes first, an outlier late, and one like another that is chosen
    hardly ever.

    Args:
        features: (N, C), finite.
        weights: (N,), not negative.
        number: Images to choose; all where there are no more.
        known: (M, C), of images that are labelled already.

    Returns:
        Places of the chosen in ``features``, the best first, each with its share in the sum of weights
        that it adds.
    """
    total = len(features)
    if not total:
        return []
    every = features if known is None else np.concatenate([features, known])
    every = _directions(every)
    directions, labelled = every[:total], every[total:]
    places = np.unique(np.linspace(0, total - 1, min(total, _STOOD_FOR)).round().astype(int))
    share = weights[places] / max(weights[places].sum(), 1e-12)
    likeness = _likeness(directions, directions[places])
    covered = np.zeros(len(places), np.float32)
    if len(labelled):
        covered = np.maximum(covered, _likeness(labelled, directions[places]).max(0))
    chosen: list[tuple[int, float]] = []
    free = np.ones(total, bool)
    for _ in range(min(number, total)):
        gains = np.array([np.maximum(row - covered, 0) @ share for row in likeness])
        gains[~free] = -1
        best = int(gains.argmax())
        free[best] = False
        chosen.append((best, float(gains[best])))
        covered = np.maximum(covered, likeness[best])
    return chosen


def _directions(features: Floats) -> Floats:
    """Vectors of length 1, of channels that all have the same spread."""
    spread = features.std(0)
    scaled = (features - features.mean(0)) / np.where(spread > 1e-6 * spread.max(), spread, np.inf)
    length = np.linalg.norm(scaled, axis=1, keepdims=True)
    return (scaled / np.maximum(length, 1e-12)).astype(np.float32)


def _likeness(some: Floats, others: Floats) -> Floats:
    """(N, M), between 0 and 1."""
    return (1 + some @ others.T).clip(0, 2) / 2
