"""What each run of a study came to, in a file of a few kB: to keep, and to put studies together."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from mmgreen.files import write_whole
from mmgreen.report.comparison import compare
from mmgreen.report.provenance import training_in
from mmgreen.report.run import read_run

from .folders import (
    DONE,
    NEIGHBOURS,
    classifier_folder,
    detector_folder,
    pretraining_folder,
    read_done,
)
from .plan import Plan, Start

#: Below a study's folder.
RESULTS = 'results.json'
# What a run's figures are kept in, beside what says that it is done.
_FIGURES = 'figures.json'


def write_results(plan: Plan, resamples: int = 1000) -> None:
    """Write ``results.json`` into the study's folder: a row for each detector and each net that is done.

    A detector's row has ``start``, ``labels``, ``seed``, ``before`` (minutes of pre-training),
    ``minutes`` and ``steps`` of its own training, and, of boxes and masks, AP, AP50 and the interval of
    AP over images. Where it was trained to its end, ``curve`` has pairs of minutes and AP on the images that
    were held out. A row of features has per cent of ``neighbours`` and ``linear``.

    Args:
        plan: The study.
        resamples: Of the images, for intervals.
    """
    detectors, features = [], []
    for start in plan.starts.values():
        for seed in plan.seeds:
            known = dict(start=start.name, seed=seed, before=minutes_before(start, plan, [seed]))
            for labels in plan.labels if start.detector else ():
                folder = detector_folder(plan, start, labels, seed)
                if (folder / DONE).is_file():
                    took = dict(minutes=minutes_of(folder), steps=_steps_of(folder))
                    detectors.append(
                        known | dict(labels=labels) | took | _figures(folder, start.name, resamples)
                    )
            nearest = classifier_folder(plan, start, seed) / NEIGHBOURS
            if nearest.is_file():
                features.append(known | top1(nearest))
    content = dict(starts=list(plan.starts), detectors=detectors, features=features)
    write_whole(plan.work_dir / RESULTS, json.dumps(_rounded(content), indent=1))


def minutes_before(start: Start | None, plan: Plan, seeds: list[int]) -> float:
    """What a start took, and those it starts from; mean over the seeds that are done, or NaN."""
    if start is None:
        return 0.0
    own = 0.0
    if start.training:
        folders = [pretraining_folder(plan, start, seed) for seed in seeds]
        took = [minutes_of(folder) for folder in folders if (folder / DONE).is_file()]
        own = float(np.mean(took)) if took else float('nan')
    return own + minutes_before(start.init, plan, seeds)


def minutes_of(folder: Path) -> float:
    """Minutes of the steps of a training, from before an interruption as well; NaN if unknown."""
    training = training_in(folder)
    return training.record['seconds'] / 60 if training else float('nan')


def _steps_of(folder: Path) -> int | None:
    training = training_in(folder)
    return training.record['iterations'] if training else None


def top1(file: Path) -> dict[str, float]:
    """What features tell apart, in per cent: by 20 nearest ``neighbours``, and by a ``linear`` layer."""
    found = json.loads(file.read_text())
    return dict(neighbours=found['accuracy']['20'][0], linear=found['linear'][0])


def _figures(folder: Path, name: str, resamples: int) -> dict[str, Any]:
    """Computed once."""
    path = folder / _FIGURES
    if not path.is_file():
        comparison = compare([read_run(folder / 'test', name)], resamples)
        found: dict[str, Any] = {}
        for kind in comparison.kinds:
            part = comparison.of_kind(kind)[name]
            found[kind] = {key: part.figures.figures[key] for key in ('AP', 'AP50')}
            found[kind]['interval'] = part.interval('AP')
        write_whole(path, json.dumps(found))
    found = json.loads(path.read_text(encoding='utf-8'))
    done = read_done(folder)
    if 'curve' in done:
        pace = minutes_of(folder) / done['steps']
        found['curve'] = [(step * pace, ap) for step, ap in done['curve']]
    return found


def _rounded(value: Any) -> Any:
    """Numbers of four digits, and nothing where none is known."""
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(each) for each in value]
    if isinstance(value, float):
        return None if np.isnan(value) else float(f'{value:.4g}')
    return value
