"""Confidence intervals of COCO's figures by resampling images.

A resample draws as many images as there are, with replacement; its AP is that
of a dataset in which an image stands as often as it was drawn. Detections keep
their matches, so only counts change: every resample is a column of weights, and
cumulative sums over detections run on all columns at once. The precision of a
ranking rises at true positives only, so precision is computed there, and false
positives are summed from one true positive to the next. Nothing is
approximated.
"""

import numpy as np
from scipy import stats
from scipy.sparse import csr_matrix

from mmgreen.arrays import Floats, Ints

from .coco_figures import FIGURES
from .matching import IGNORED, MATCHED, Matches

_RECALLS = np.linspace(0, 1, 101)
#: Elements of an array that passes through several steps: they stay in the cache.
_CHUNK = 60_000


def draw_resamples(num_images: int, resamples: int = 1000, seed: int = 0) -> Floats:
    """How often each image is drawn.

    Returns:
        (images, resamples) float64; each column sums to the number of images.
    """
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(num_images, np.full(num_images, 1 / num_images), size=resamples)
    return np.ascontiguousarray(counts.T, dtype=np.float64)


def confidence_interval(figure: float, samples: Floats) -> tuple[float, float]:
    """95 % interval of a figure: how it varies over as many images of the same kind.

    AP takes the best precision from a recall on, so an image that is drawn
    twice raises it: resamples have a mean above the figure itself, by up to
    their standard deviation on small sets. The percentiles are therefore those
    of the deviation from that mean, put around the figure.

    Args:
        figure: The figure of all images, each once; a difference of two runs works as well.
        samples: (N,), of the resamples; NaN is left out.

    Returns:
        Lower and upper end, NaN where there is no sample.
    """
    samples = samples[np.isfinite(samples)]
    if not len(samples):
        return float('nan'), float('nan')
    low, high = figure + np.percentile(samples, (2.5, 97.5)) - samples.mean()
    return float(low), float(high)


def group_interval(figure: float, samples: Floats, of_runs: Floats) -> tuple[float, float]:
    """95 % interval of the mean of several runs, over seeds as well as images.

    What the mean would be of other images, and what of other seeds, vary independently;
    their variances add up, with Satterthwaite's degrees of freedom (`An Approximate
    Distribution of Estimates of Variance Components
    <https://doi.org/10.2307/3002019>`_, 1946, equation 17).

    Args:
        figure: Mean over runs; of differences as well, where seeds are paired.
        samples: (N,), the mean over runs of each resample of the images; NaN is left out.
        of_runs: (S,), the figure of each run; at least two.

    Returns:
        Lower and upper end, NaN where there is no sample.
    """
    samples = samples[np.isfinite(samples)]
    if not len(samples):
        return float('nan'), float('nan')
    of_images, of_seeds = float(samples.var()), float(np.var(of_runs, ddof=1)) / len(of_runs)
    total = of_images + of_seeds
    if not total:
        return figure, figure
    freedom = (len(of_runs) - 1) * (total / of_seeds) ** 2 if of_seeds else np.inf
    half = float(stats.t.ppf(0.975, freedom)) * total**0.5
    return figure - half, figure + half


def resampled_figures(matches: Matches, weights: Floats) -> dict[str, Floats]:
    """COCO's twelve figures of every resample.

    Args:
        matches: The detections of a run.
        weights: (I, N), how often each image stands in each of N resamples.

    Returns:
        (N,) float64 for each of ``FIGURES``, NaN where a resample has no object.
    """
    num_areas, num_thresholds = matches.state.shape[:2]
    resamples = weights.shape[1]
    precision = np.zeros((num_areas, num_thresholds, resamples))
    recall = np.zeros((num_areas, resamples))
    recall_of_few = np.zeros((2, resamples))
    categories = np.zeros((num_areas, resamples))

    for k, order in enumerate(matches.by_category()):
        mine = matches.gt_category == k
        for area in range(num_areas):
            objects = matches.gt_image[mine & ~matches.gt_ignored[area]]
            if not len(objects):
                continue
            positives = _sums(np.zeros_like(objects), objects, 1, weights)[0]
            there = positives > 0
            categories[area] += there
            positives[~there] = np.inf  # nothing is found where there is nothing
            found = _add_precision(matches, order, area, weights, positives, precision[area])
            recall[area] += found / positives
            if area == 0:
                for few, rank in enumerate((1, 10)):
                    t, d = np.nonzero(
                        (matches.state[0][:, order] == MATCHED) & (matches.rank[order] < rank)
                    )
                    found = _sums(np.zeros_like(t), matches.image[order[d]], 1, weights)[0]
                    recall_of_few[few] += found / positives

    categories[categories == 0] = np.nan
    precision /= categories[:, None]
    recall /= categories * num_thresholds
    recall_of_few /= categories[0] * num_thresholds
    everything = precision[0]
    values = (
        *(everything.mean(0), everything[0], everything[5], *precision[1:].mean(1)),
        *(*recall_of_few, *recall),
    )
    return dict(zip(FIGURES, values, strict=True))


def _sums(rows: Ints, images: Ints, num_rows: int, weights: Floats) -> Floats:
    """(num_rows, N): the weights of images, added up row by row."""
    ones = np.ones(len(images))
    sums: Floats = csr_matrix((ones, (rows, images)), shape=(num_rows, len(weights))) @ weights
    return sums


def _add_precision(
    matches: Matches,
    order: Ints,
    area: int,
    weights: Floats,
    positives: Floats,
    precision: Floats,
) -> Floats:
    """Add a category's mean interpolated precision at each threshold and resample.

    Args:
        matches: The same as above.
        order: Its detections, best first.
        area: Size.
        weights: (I, N).
        positives: (N,), its objects in each resample.
        precision: (T, N), added to.

    Returns:
        (N,), true positives, over all thresholds.
    """
    state, image = matches.state[area][:, order], matches.image[order]
    in_range = matches.in_range[area, order]
    hit = state == MATCHED
    (ends,) = np.nonzero(hit.any(0))  # the ranks at which a precision is needed
    total_found = np.zeros(weights.shape[1])
    if not len(ends):
        return total_found

    # Detections of this size up to each of them, whatever they match.
    (counted,) = np.nonzero(in_range[: ends[-1] + 1])
    segment = np.searchsorted(ends, counted)
    detections = np.cumsum(_sums(segment, image[counted], len(ends), weights), axis=0)

    for t in range(len(precision)):
        (ranks,) = np.nonzero(hit[t])
        if not len(ranks):
            continue
        # Ignored ones do not count, true positives of another size's area do.
        ignored = in_range & (state[t] == IGNORED)
        besides = hit[t] & ~in_range
        (changed,) = np.nonzero((ignored | besides)[: ranks[-1] + 1])
        change = csr_matrix(
            (
                np.where(ignored[changed], -1.0, 1.0),
                (np.searchsorted(ranks, changed), image[changed]),
            ),
            shape=(len(ranks), len(weights)),
        )
        rows = np.searchsorted(ends, ranks)
        step = max(1, _CHUNK // len(ranks))
        for first in range(0, weights.shape[1], step):
            part = slice(first, first + step)
            found = np.cumsum(weights[image[ranks], part], axis=0)
            detected = detections[rows, part]
            if change.nnz:
                detected += np.cumsum(change @ weights[:, part], axis=0)
            level = np.divide(found, detected, out=np.zeros_like(found), where=detected > 0)
            envelope = np.maximum.accumulate(level[::-1], axis=0)[::-1]
            # How many of the 101 recalls are reached, compared as COCO compares them.
            reached = found / positives[part]
            nearest = np.rint(reached * 100).astype(np.int64)
            count = nearest + (reached >= _RECALLS[nearest])
            count[found == 0] = 0  # not even a recall of 0: nothing is found yet
            count[1:] -= count[:-1].copy()
            precision[t, part] += (count * envelope).sum(0) / len(_RECALLS)
            total_found[part] += found[-1]
    return total_found
