"""Detectors that were tested on the same images, evaluated once for all that a report shows."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from faster_coco_eval import COCO
from mmengine.logging import print_log

from mmgreen.checkpoints import DEFAULT_THRESHOLD
from mmgreen.errors import UserError
from mmgreen.evaluation import (
    Calibration,
    CocoFigures,
    Counts,
    Errors,
    ImageCounts,
    Matches,
    calibrate,
    coco_evaluator,
    coco_figures,
    confidence_interval,
    confusion_matrix,
    count_by_image,
    count_matches,
    draw_resamples,
    find_errors,
    group_interval,
    match_detections,
    mean_counts,
    pool_calibrations,
    resampled_figures,
)
from mmgreen.evaluation.matching import IGNORED, MATCHED

from .run import Run, check_results, read_truth

#: Boxes and masks, in words.
PARTS = dict(bbox='boxes', segm='masks')


@dataclass(frozen=True)
class Part:
    """Boxes or masks of a run, or the mean of a group of runs.

    Attributes:
        figures: COCO's.
        resamples: (N,) of each figure.
        errors: How many errors there are of each kind, and what AP50 they cost.
        calibration: Scores against precision.
        counts: Objects found, and false alarms, by score.
        threshold: Score from which detections are drawn and count below; of a group the mean.
        by_image: What is missed and wrong in each image; of a group in those of its first run.
        image_f1: (I,) float64, F1 of every image by itself; NaN where there is
            neither object nor detection.
        objects: (K,) int64, objects of each category.
        confusion: (K + 1, K + 1), what is taken for what.
        runs: Those of a group, in order; none of a single run.
    """

    figures: CocoFigures
    resamples: dict[str, np.ndarray]
    errors: Errors
    calibration: Calibration
    counts: Counts
    threshold: float
    by_image: ImageCounts
    image_f1: np.ndarray
    objects: np.ndarray
    confusion: np.ndarray
    runs: 'Sequence[Part]' = ()

    def of_runs(self, figure: str) -> np.ndarray:
        """A figure of each run of a group, (S,)."""
        return np.array([run.figures.figures[figure] for run in self.runs])

    def interval(self, figure: str) -> tuple[float, float]:
        """95 % confidence interval of a figure, over images; of a group, over seeds, too."""
        value, samples = self.figures.figures[figure], self.resamples[figure]
        if not self.runs:
            return confidence_interval(value, samples)
        return group_interval(value, samples, self.of_runs(figure))

    def difference(self, base: 'Part', figure: str) -> tuple[float, tuple[float, float]]:
        """What a figure has more than that of another run or group, and its interval.

        Both are resampled alike, so that what is hard for both cancels out; runs of two
        groups are paired in their order, as of one seed each.
        """
        difference = self.figures.figures[figure] - base.figures.figures[figure]
        samples = self.resamples[figure] - base.resamples[figure]
        if not self.runs:
            return difference, confidence_interval(difference, samples)
        gains = self.of_runs(figure) - base.of_runs(figure)
        return difference, group_interval(difference, samples, gains)


def mean_part(parts: Sequence[Part]) -> Part:
    """The mean of the runs of a group: of figures, curves and errors; scores are pooled."""
    first = parts[0]
    if len(parts) == 1:
        return first

    return Part(
        figures=CocoFigures(
            figures=_mean([part.figures.figures for part in parts]),
            categories=_mean([part.figures.categories for part in parts]),
            precision=_mean([part.figures.precision for part in parts]),
            summary='',
        ),
        resamples=_mean([part.resamples for part in parts]),
        errors=replace(
            first.errors,
            count=_mean([part.errors.count for part in parts]),
            lost=_mean([part.errors.lost for part in parts]),
            ap50=_mean([part.errors.ap50 for part in parts]),
        ),
        calibration=pool_calibrations([part.calibration for part in parts]),
        counts=mean_counts([part.counts for part in parts]),
        threshold=_mean([part.threshold for part in parts]),
        by_image=first.by_image,
        image_f1=_mean([part.image_f1 for part in parts]),
        objects=first.objects,
        confusion=_mean([part.confusion for part in parts]),
        runs=tuple(parts),
    )


def _mean(values: Sequence[Any]) -> Any:
    """The mean of numbers or arrays, or of dicts of them."""
    if isinstance(values[0], dict):
        return {key: _mean([value[key] for value in values]) for key in values[0]}
    return np.mean(values, axis=0)


@dataclass(frozen=True)
class Comparison:
    """One run, or several, or groups of runs; the others are compared with the first.

    Attributes:
        runs: Tested on the same images; of a group, its first.
        sizes: Number of runs of each group; 1 of a single run.
        parts: The parts of each run or group, boxes and masks by kind.
        kinds: Those of :data:`PARTS`, those that all runs have.
        truth: Annotations.
        categories: Names of those that are looked at.
        resamples: Number of resamples of the images.
    """

    runs: Sequence[Run]
    sizes: Sequence[int]
    parts: Sequence[dict[str, Part]]
    kinds: Sequence[str]
    truth: COCO
    categories: Sequence[str]
    resamples: int

    @property
    def objects(self) -> int:
        """Objects that are there, crowds left out."""
        return int(self.parts[0][self.kinds[0]].objects.sum())

    def of_kind(self, kind: str) -> dict[str, Part]:
        """Boxes, or masks, by the names of the runs."""
        return {run.name: part[kind] for run, part in zip(self.runs, self.parts, strict=True)}


def compare(runs: Sequence[Run], resamples: int = 1000) -> Comparison:
    """Evaluate runs.

    Args:
        runs: Tested on the same images; those of one name are a group, such as the seeds
            of one training, of as many runs as every other group.
        resamples: For confidence intervals.

    Raises:
        UserError: If runs cannot be compared, or results are not sound.
    """
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(run.name, []).append(run)
    sizes = [len(group) for group in groups.values()]
    if len(set(sizes)) > 1:
        raise UserError(
            'groups must have the same number of runs, so that seeds can be paired: '
            + ', '.join(f'{len(group)} of {name}' for name, group in groups.items())
        )
    truth = read_truth(runs)
    kinds = [kind for kind in PARTS if all(kind in run.results for run in runs)]
    if not kinds:
        raise UserError(
            'the runs have neither boxes nor masks in common, so they cannot be compared: '
            + ', '.join(f'{run.name} has {PARTS[kind]}' for run in runs for kind in run.results)
        )
    chosen = runs[0].record.get('categories')  # those that were tested on
    cat_ids = [i for i, cat in sorted(truth.cats.items()) if not chosen or cat['name'] in chosen]
    weights = draw_resamples(len(truth.imgs), resamples)
    evaluated = [
        [_evaluate(run, truth, kinds, cat_ids, weights) for run in group]
        for group in groups.values()
    ]
    return Comparison(
        runs=[group[0] for group in groups.values()],
        sizes=sizes,
        parts=[
            {kind: mean_part([parts[kind] for parts in group]) for kind in kinds}
            for group in evaluated
        ],
        kinds=kinds,
        truth=truth,
        categories=[truth.cats[i]['name'] for i in cat_ids],
        resamples=resamples,
    )


def _evaluate(
    run: Run, truth: COCO, kinds: Sequence[str], cat_ids: Sequence[int], weights: np.ndarray
) -> dict[str, Part]:
    """All that is computed of a run; weights: resamples of the images, (I, N)."""
    parts = {}
    for kind in kinds:
        print_log(f'Report: {PARTS[kind]} of {run.name}')
        detections = run.detections(kind)
        check_results(run, detections, truth)
        evaluator = coco_evaluator(truth, detections, kind, cat_ids)
        del detections
        figures, matches = coco_figures(evaluator), match_detections(evaluator)
        del evaluator
        counted = matches.gt_category[~matches.gt_ignored[0]]
        counts = count_matches(matches)
        known = (run.record.get('threshold'), counts.threshold, DEFAULT_THRESHOLD)
        threshold = next(score for score in known if score is not None)
        parts[kind] = Part(
            figures=figures,
            resamples=resampled_figures(matches, weights),
            errors=find_errors(matches),
            calibration=calibrate(matches),
            counts=counts,
            threshold=threshold,
            by_image=count_by_image(matches, threshold),
            image_f1=_image_f1(matches, threshold),
            objects=np.bincount(counted, minlength=matches.num_categories),
            confusion=confusion_matrix(matches, threshold),
        )
    return parts


def _image_f1(matches: Matches, score: float) -> np.ndarray:
    """F1 of every image's detections from a score on, mean over IoU 0.50:0.95.

    F1 = 2 found / (detections + objects), crowds and what matches them left out.

    Returns:
        (I,) float64, NaN where there is neither detection nor object.
    """
    objects = np.bincount(matches.gt_image[~matches.gt_ignored[0]], minlength=matches.num_images)
    drawn = matches.score >= score
    values = []
    for state in matches.state[0]:
        found, counted = (
            np.bincount(matches.image[drawn & chosen], minlength=matches.num_images)
            for chosen in (state == MATCHED, state != IGNORED)
        )
        total = counted + objects
        values.append(2 * found / np.where(total, total, np.nan))
    return np.mean(values, axis=0)
