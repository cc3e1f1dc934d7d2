"""What a study has found, of all its runs that are done."""

from pathlib import Path
from typing import Any

import numpy as np
from mmengine.logging import print_log
from scipy import stats

from mmgreen.errors import UserError
from mmgreen.report.charts import bars, points
from mmgreen.report.comparison import PARTS, Comparison, Part, compare
from mmgreen.report.document import (
    Cell,
    Chart,
    Report,
    Section,
    Table,
    estimate,
    gain,
    number,
)
from mmgreen.report.run import read_run

from .folders import (
    DONE,
    NEIGHBOURS,
    classifier_folder,
    detector_folder,
    read_done,
)
from .plan import Plan, Start
from .results import minutes_before, minutes_of, top1, write_results


def write_study_report(plan: Plan, resamples: int = 1000) -> Path:
    """Write ``report.html``, ``report.md`` and ``report.json`` into the study's folder, and ``results.json``.

    Of each number of labelled images, the seeds of which every start is done are compared.

    Args:
        plan: The study.
        resamples: Resamples of the images, for intervals.

    Returns:
        The HTML file.

    Raises:
        UserError: If nothing can be compared yet, or results are not sound.
    """
    detected = {
        labels: found for labels in plan.labels if (found := _compare(plan, labels, resamples))
    }
    classified = _read_classified(plan)
    if not detected and not classified:
        raise UserError(
            f'nothing in {plan.work_dir} can be compared yet: no seed has a result of every start '
            '(--starts compares some of them)'
        )
    write_results(plan, resamples)
    minutes = {name: minutes_before(start, plan, plan.seeds) for name, start in plan.starts.items()}
    sections = [
        _describe_detectors(plan, detected),
        _describe_time(plan, detected, minutes),
        _describe_ends(plan, detected, minutes),
        _describe_features(classified),
    ]
    first, *others = plan.starts
    title = f'What starts are worth: {", ".join([*others, first])}'
    seeds = f'Seeds {", ".join(map(str, plan.seeds))}; the others are compared with {first}.'
    subtitle = ' '.join([*_advice(plan, detected), seeds])
    data = dict(
        detectors={labels: _data(found) for labels, found in detected.items()},
        features=classified,
        minutes_of_pretraining=minutes,
    )
    return Report(title, subtitle, [s for s in sections if s.blocks], data).write(
        plan.work_dir / 'report'
    )


def _advice(plan: Plan, detected: dict[int, Comparison]) -> list[str]:
    """What to start from, a sentence for each number of labelled images."""
    first, *others = plan.starts
    sentences: list[str] = []
    values = {}
    for labels, comparison in detected.items() if others else ():
        kind = 'segm' if 'segm' in comparison.kinds else 'bbox'
        parts = comparison.of_kind(kind)
        values[labels] = _ap(parts[first])
        what = f'AP of {PARTS[kind]}'
        gains = {name: parts[name].difference(parts[first], 'AP') for name in others}
        sure = {name: gain for name, (gain, (low, _)) in gains.items() if low > 0}
        best = max(sure or gains, key=lambda name: gains[name][0])
        gain, (low, high) = gains[best]
        won = (
            f'{100 * gain:+.1f} points of {what}, 95 % between {100 * low:.1f} and {100 * high:.1f}'
        )
        seeds = '' if comparison.sizes[0] > 1 else ', of one seed'
        if sure:
            sentences.append(f'With {_labelled(labels)} start from {best}: {won}{seeds}.')
        else:
            sentences.append(
                f'With {_labelled(labels)} stay with {first}: the best other, {best}, wins {won}{seeds}.'
            )
    if len(values) > 1:
        few, *_, many = values
        more = 100 * (values[many] - values[few])
        sentences.append(
            f'From {first}, {_labelled(many)} in the place of {few:,} are worth {more:+.1f} points.'
        )
    return sentences


def _compare(plan: Plan, labels: int, resamples: int) -> Comparison | None:
    starts = plan.starts.values()
    seeds = [
        seed
        for seed in plan.seeds
        if all((detector_folder(plan, s, labels, seed) / DONE).is_file() for s in starts)
    ]
    if not seeds:
        return None
    print_log(f'Report: {_labelled(labels)}, seeds {", ".join(map(str, seeds))}')
    runs = [
        read_run(detector_folder(plan, start, labels, seed) / 'test', start.name)
        for start in starts
        for seed in seeds
    ]
    return compare(runs, resamples)


def _read_classified(plan: Plan) -> dict[str, dict[str, list[float]]]:
    """Top-1 accuracy in per cent, by measure and start, of the seeds of which all are done."""
    if not plan.classifier:
        return {}
    rows = []
    for seed in plan.seeds:
        files = [classifier_folder(plan, s, seed) / NEIGHBOURS for s in plan.starts.values()]
        if all(file.is_file() for file in files):
            rows.append([top1(file) for file in files])
    return {
        measure: {name: [row[i][measure] for row in rows] for i, name in enumerate(plan.starts)}
        for measure in ('neighbours', 'linear')
        if rows
    }


def _detector_minutes(plan: Plan, start: Start, labels: int) -> float:
    """Mean over the seeds that are done."""
    folders = [detector_folder(plan, start, labels, seed) for seed in plan.seeds]
    return float(np.mean([minutes_of(folder) for folder in folders if (folder / DONE).is_file()]))


def _describe_detectors(plan: Plan, detected: dict[int, Comparison]) -> Section:
    first, *others = plan.starts
    blocks: list[Table | Chart] = []
    kinds = [k for k in PARTS if detected and all(k in c.kinds for c in detected.values())]
    for kind in kinds:
        rows = []
        for labels, comparison in detected.items():
            parts = list(comparison.of_kind(kind).values())
            row: list[Cell | str] = [_labelled(labels), number(comparison.sizes[0], 0)]
            row += [estimate(_ap(p), p.interval('AP')) for p in parts]
            row += [gain(*p.difference(parts[0], 'AP')) for p in parts[1:]]
            rows.append(row)
        header = ['labelled images', 'seeds', *plan.starts]
        header += [f'{name} − {first}' for name in others]
        blocks.append(Table(header, rows, f'AP of {PARTS[kind]}'))
        of_starts = _parts_of_starts(plan, detected, kind)
        values = {name: [_ap(part) for part in parts] for name, parts in of_starts.items()}
        intervals = {
            name: np.array([part.interval('AP') for part in parts]).T
            for name, parts in of_starts.items()
        }
        ticks = [_labelled(labels) for labels in detected]
        blocks.append(bars(f'AP of {PARTS[kind]} by labels', ticks, values, intervals, 'AP'))
    text = (
        'Mean over seeds, and below it its 95 % interval over seeds and images; of a single seed, '
        'over images. A seed decides the labelled images, the pre-training and the training. '
        'Differences are paired, and coloured where their interval leaves out zero.'
    )
    return Section('Detectors', text, blocks)


def _describe_time(
    plan: Plan, detected: dict[int, Comparison], minutes: dict[str, float]
) -> Section:
    rows: list[list[Cell | str]] = []
    blocks: list[Table | Chart] = []
    times: dict[int, list[float]] = {}
    for labels in detected:
        times[labels] = [_detector_minutes(plan, start, labels) for start in plan.starts.values()]
    for i, name in enumerate(plan.starts):
        rows.append([name, number(minutes[name], 1), *(number(t[i], 1) for t in times.values())])
    header = ['', 'pre-training', *(f'detector, {_labelled(labels)}' for labels in detected)]
    blocks.append(Table(header, rows, 'Minutes'))
    for kind in next(iter(detected.values())).kinds if detected else ():
        places, intervals = {}, {}
        for i, (name, parts) in enumerate(_parts_of_starts(plan, detected, kind).items()):
            spent = [minutes[name] + t[i] for t in times.values()]
            places[name] = [(x, _ap(part)) for x, part in zip(spent, parts, strict=True)]
            intervals[name] = [part.interval('AP') for part in parts]
        texts = [f'{labels:,}' for labels in detected] if len(detected) > 1 else ['']
        label = f'AP of {PARTS[kind]} by time'
        blocks.append(points(label, places, intervals, texts, 'minutes of both trainings', 'AP'))
    text = (
        'Mean over seeds of what the steps of the runs took. They are comparable where runs had '
        'the machine for themselves. Beside a point is the number of labelled images, if several.'
    )
    unknown = [
        name
        for i, name in enumerate(plan.starts)
        if not np.isfinite([minutes[name], *(t[i] for t in times.values())]).all()
    ]
    if unknown:
        text += f' Points are missing of runs that do not say what they took: {", ".join(unknown)}.'
    return Section('Time', text, blocks)


def _describe_ends(
    plan: Plan, detected: dict[int, Comparison], minutes: dict[str, float]
) -> Section:
    """Of detectors that were trained until nothing was gained: when that was."""
    rows: list[list[Cell | str]] = []
    for labels in detected:
        for name, start in plan.starts.items():
            if not (start.detector and start.detector.until):
                continue
            ends = [
                (read_done(folder), minutes_of(folder))
                for seed in plan.seeds
                if ((folder := detector_folder(plan, start, labels, seed)) / DONE).is_file()
            ]
            near = [took * done['near'] / done['steps'] for done, took in ends]
            rows.append(
                [
                    _labelled(labels),
                    name,
                    number(float(np.mean([done['steps'] for done, _ in ends])), 0),
                    number(minutes[name] + float(np.mean([took for _, took in ends])), 1),
                    number(minutes[name] + float(np.mean(near)), 1),
                ]
            )
    if not rows:
        return Section('To the end')
    header = ['labelled images', 'start', 'steps', 'minutes', 'minutes to within a point']
    text = (
        'Trained until the AP on images that were held out for this rose no more; mean over seeds. Minutes '
        'are those of pre-training and detector together: to the end, and until the AP on these images was '
        'within a point of its best.'
    )
    return Section('To the end', text, [Table(header, rows)])


def _parts_of_starts(
    plan: Plan, detected: dict[int, Comparison], kind: str
) -> dict[str, list[Part]]:
    """For each start, its detectors by the number of labelled images."""
    return {name: [c.of_kind(kind)[name] for c in detected.values()] for name in plan.starts}


def _describe_features(classified: dict[str, dict[str, list[float]]]) -> Section:
    captions = dict(neighbours='A vote of the 20 nearest neighbours', linear='A linear layer')
    tables: list[Table | Chart] = []
    for measure, found in classified.items():
        first = next(iter(found))
        rows: list[list[Cell | str]] = [
            [
                name,
                number(len(values), 0),
                estimate(float(np.mean(values)), _students(values), 1),
                gain(*_paired(values, found[first])) if name != first else '',
            ]
            for name, values in found.items()
        ]
        tables.append(
            Table(['', 'seeds', 'top-1 %', f'more than {first}'], rows, captions[measure])
        )
    text = (
        'Images put into the right class by the features, which are not trained further, in per '
        "cent: mean over seeds, and its 95 % interval over seeds (Student's t)."
    )
    return Section('Features', text, tables)


def _paired(values: list[float], base: list[float]) -> tuple[float, tuple[float, float], int]:
    gains = [a - b for a, b in zip(values, base, strict=True)]
    return float(np.mean(gains)), _students(gains), 1


def _students(values: list[float]) -> tuple[float, float]:
    if len(values) < 2:
        return float('nan'), float('nan')
    half = float(stats.t.ppf(0.975, len(values) - 1) * stats.sem(values))
    return float(np.mean(values)) - half, float(np.mean(values)) + half


def _data(comparison: Comparison) -> dict[str, Any]:
    found: dict[str, Any] = dict(seeds=comparison.sizes[0])
    for kind in comparison.kinds:
        parts = comparison.of_kind(kind)
        base = next(iter(parts.values()))
        found[kind] = {}
        for name, part in parts.items():
            difference, interval = part.difference(base, 'AP')
            found[kind][name] = dict(
                AP=_ap(part),
                AP50=part.figures.figures['AP50'],
                interval=part.interval('AP'),
                of_seeds=part.of_runs('AP') if part.runs else [_ap(part)],
                gained=difference,
                gained_interval=interval,
            )
    return found


def _ap(part: Part) -> float:
    return part.figures.figures['AP']


def _labelled(labels: int) -> str:
    return f'{labels:,} images'
