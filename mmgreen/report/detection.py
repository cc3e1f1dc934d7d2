"""What a COCO test shows, of one run or of several side by side."""

from collections.abc import Sequence

import numpy as np

from mmgreen.evaluation import FIGURES

from .comparison import Comparison, Part, compare
from .curves import describe_training_curves
from .document import Report
from .pretraining import describe_pretraining
from .provenance import (
    Training,
    describe_efficiency,
    describe_making,
    making_data,
    trainings_of,
)
from .run import Run
from .sections import (
    at_threshold,
    describe_calibration,
    describe_categories,
    describe_confusion,
    describe_curves,
    describe_errors,
    describe_figures,
    describe_images,
    describe_short,
    describe_sizes,
)


def detection_report(runs: Sequence[Run], resamples: int = 1000) -> Report:
    """Evaluate runs, and compose their report.

    Args:
        runs: Tested on the same images; the others are compared with the first. Those of
            one name are a group.
        resamples: For confidence intervals.

    Raises:
        UserError: If runs cannot be compared, or results are not sound.
    """
    comparison = compare(runs, resamples)
    runs = comparison.runs
    images = describe_images(comparison)
    alone = len(runs) == 1
    sections = [
        describe_short(comparison),
        *([images] if alone else []),
        describe_figures(comparison),
        describe_efficiency(runs),
        describe_categories(comparison),
        describe_curves(comparison),
        describe_sizes(comparison),
        describe_calibration(comparison),
        describe_errors(comparison),
        describe_confusion(comparison),
        *([] if alone else [images]),
    ]
    data = _data(comparison)
    for run in runs:
        for training in trainings_of(run.record.get('checkpoint'))[:1]:
            if not training.is_pretraining:
                name = run.name if len(runs) > 1 else ''
                section, curves = describe_training_curves(training, name)
                sections.append(section)
                data.setdefault('training', {})[run.name] = curves
    for training, those in _pretrainings(runs):
        more, found = describe_pretraining(training)
        if len(runs) > 1:
            for section in more:
                section.title += f': {" and ".join(those)}'
        sections += more
        data.setdefault('pretraining', {}).update(dict.fromkeys(those, found))
    sections.append(describe_making(runs))
    title = 'Detection report' if len(runs) == 1 else 'Comparison of detectors'
    subtitle = (
        f'{", ".join(run.name for run in runs)}: {len(comparison.truth.imgs):,} images of '
        f'{runs[0].annotations.name}, '
        f'{comparison.objects:,} objects of {len(comparison.categories):,} '
        f'categor{"y" if len(comparison.categories) == 1 else "ies"}'
    )
    return Report(title, subtitle, [s for s in sections if s.text or s.blocks], data)


def _pretrainings(runs: Sequence[Run]) -> list[tuple[Training, list[str]]]:
    """Every pre-training once, and the names of the runs that go back to it."""
    found: dict[tuple, tuple[Training, list[str]]] = {}
    for run in runs:
        for training in trainings_of(run.record.get('checkpoint')):
            if training.is_pretraining:
                key = tuple(training.folders)
                found.setdefault(key, (training, []))[1].append(run.name)
    return list(found.values())


def _data(comparison: Comparison) -> dict:
    """What ``report.json`` holds."""
    base, *others = zip(comparison.runs, comparison.parts, strict=True)
    return dict(
        images=len(comparison.truth.imgs),
        objects=comparison.objects,
        categories=len(comparison.categories),
        resamples=comparison.resamples,
        runs=[_run_data(*those, comparison.categories) for those in (base, *others)],
        differences=[_difference_data(*other, *base) for other in others],
    )


def _run_data(run: Run, parts: dict[str, Part], names: Sequence[str]) -> dict:
    data = dict(name=run.name, annotations=str(run.annotations), **making_data(run))
    for kind, part in parts.items():
        figures, errors = part.figures, part.errors
        data[kind] = dict(
            figures=figures.figures,
            intervals={figure: part.interval(figure) for figure in FIGURES},
            **({'of_runs': {f: part.of_runs(f) for f in FIGURES}} if part.runs else {}),
            categories=[
                dict(name=name, objects=part.objects[k])
                | {figure: column[k] for figure, column in figures.categories.items()}
                for k, name in enumerate(names)
            ],
            errors=dict(ap50=errors.ap50, lost=errors.lost, count=errors.count),
            confusion=_confusion_data(part.confusion, names),
            calibration=vars(part.calibration),
            at_threshold=dict(
                zip(('found', 'missed', 'false_alarms'), at_threshold(part), strict=True),
                score=part.threshold,
            ),
        )
    return data


def _confusion_data(matrix: np.ndarray, names: Sequence[str]) -> list[dict]:
    """Pairs that occur; None is nothing there, or missed."""
    labels = [*names, None]
    return [
        dict(there=labels[i], found=labels[j], count=float(matrix[i, j]))
        for i, j in zip(*np.nonzero(matrix), strict=True)
    ]


def _difference_data(run: Run, parts: dict[str, Part], base: Run, of_base: dict[str, Part]) -> dict:
    data: dict = dict(run=run.name, against=base.name)
    for kind, part in parts.items():
        data[kind] = {}
        for figure in FIGURES:
            difference, interval = part.difference(of_base[kind], figure)
            data[kind][figure] = dict(difference=difference, interval=interval)
    return data
