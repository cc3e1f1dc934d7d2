"""What a COCO test shows, of one run or of several side by side."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from faster_coco_eval import COCO
from mmengine.logging import print_log

from mmgreen.errors import UserError
from mmgreen.evaluation import (
    FIGURES,
    KINDS,
    Calibration,
    CocoFigures,
    Errors,
    Matches,
    calibrate,
    coco_evaluator,
    coco_figures,
    confidence_interval,
    draw_resamples,
    find_errors,
    match_detections,
    resampled_figures,
)
from mmgreen.evaluation.matching import IGNORED, MATCHED
from mmgreen.images import read_image

from . import charts
from .document import Cell, Chart, Report, Row, Section, Table, number
from .examples import SCORE, draw_example
from .pretraining import describe_pretraining
from .provenance import (
    Training,
    describe_efficiency,
    describe_making,
    making_data,
    trainings_of,
)
from .run import Run, check_results, read_truth

#: Boxes and masks, in words.
PARTS = dict(bbox='boxes', segm='masks')
#: ``CATEGORY_FIGURES`` as headings of narrow columns.
_SHORT = ('AP', 'AP50', 'AP75', 'APs', 'APm', 'APl', 'AR')
_SIZES = ('AP_small', 'AP_medium', 'AP_large')
#: Images that gain most, and as many that lose most.
_EXAMPLES = 3


@dataclass(frozen=True)
class Part:
    """Boxes or masks of a run.

    Attributes:
        figures: COCO's.
        resamples: (N,) of each figure.
        errors: By kind.
        calibration: Scores against precision.
        image_f1: (I,) float64, F1 of every image by itself; NaN where there is
            neither object nor detection.
        objects: (K,) int64, objects of each category.
    """

    figures: CocoFigures
    resamples: dict[str, np.ndarray]
    errors: Errors
    calibration: Calibration
    image_f1: np.ndarray
    objects: np.ndarray

    def interval(self, figure: str) -> tuple[float, float]:
        """95 % confidence interval of a figure."""
        return confidence_interval(self.figures.figures[figure], self.resamples[figure])


def image_f1(matches: Matches, score: float = SCORE) -> np.ndarray:
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


def evaluate_run(
    run: Run, truth: COCO, kinds: Sequence[str], cat_ids: Sequence[int], weights: np.ndarray
) -> dict[str, Part]:
    """All that is computed of a run.

    Args:
        run: Run.
        truth: Its annotations.
        kinds: Of ``PARTS``.
        cat_ids: Categories to look at.
        weights: Resamples of the images, (I, N).
    """
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
        parts[kind] = Part(
            figures=figures,
            resamples=resampled_figures(matches, weights),
            errors=find_errors(matches),
            calibration=calibrate(matches),
            image_f1=image_f1(matches),
            objects=np.bincount(counted, minlength=matches.num_categories),
        )
    return parts


def detection_report(runs: Sequence[Run], resamples: int = 1000) -> Report:
    """Evaluate runs, and compose their report.

    Args:
        runs: Tested on the same images; the others are compared with the first.
        resamples: For confidence intervals.

    Raises:
        UserError: If runs cannot be compared, or results are not sound.
    """
    truth = read_truth(runs)
    kinds = [kind for kind in PARTS if all(kind in run.results for run in runs)]
    if not kinds:
        raise UserError(
            'the runs have neither boxes nor masks in common, so they cannot be compared: '
            + ', '.join(f'{run.name} has {PARTS[kind]}' for run in runs for kind in run.results)
        )
    chosen = runs[0].record.get('categories')  # those that were tested on
    cat_ids = [i for i, cat in sorted(truth.cats.items()) if not chosen or cat['name'] in chosen]
    names = [truth.cats[i]['name'] for i in cat_ids]
    weights = draw_resamples(len(truth.imgs), resamples)
    parts = [evaluate_run(run, truth, kinds, cat_ids, weights) for run in runs]

    objects = int(parts[0][kinds[0]].objects.sum())
    sections = [_figures(runs, parts, kinds, resamples), describe_efficiency(runs)]
    sections.append(_categories(runs, parts, kinds, names))
    sections += [
        _each(title, text, runs, parts, kinds, draw)
        for title, text, draw in (
            (
                'Precision and recall',
                'Mean over categories, up to 100 detections an image.',
                _precision_recall,
            ),
            (
                'Size of objects',
                'AP of small (below 32 x 32 pixels), medium, and large (from 96 x 96 on) objects; '
                'whiskers are 95 % confidence intervals.',
                _sizes,
            ),
            (
                'Calibration',
                'How often detections of a score are right at IoU 0.50. On the dashed line a '
                'score of 0.8 is right eight times in ten.',
                _calibration,
            ),
            (
                'Where the errors are',
                'AP50 that an oracle would win by mending one kind of error, as TIDE counts them: '
                'a wrong class; a box or mask with IoU between 0.1 and 0.5; both; a second '
                'detection of the same object; background; an object that is missed.',
                _errors,
            ),
        )
    ]
    sections.append(_examples(runs, parts, kinds, truth))
    data = dict(
        images=len(truth.imgs),
        objects=objects,
        categories=len(names),
        resamples=resamples,
        runs=[_run_data(run, part, names) for run, part in zip(runs, parts, strict=True)],
        differences=[
            _difference_data(run, part, runs[0], parts[0], kinds)
            for run, part in zip(runs[1:], parts[1:], strict=True)
        ],
    )
    for training, those in _pretrainings(runs):
        more, found = describe_pretraining(training)
        if len(runs) > 1:
            for section in more:
                section.title += f' of {" and ".join(those)}'
        sections += more
        data.setdefault('pretraining', {}).update(dict.fromkeys(those, found))
    sections.append(describe_making(runs))
    title = 'Detection report' if len(runs) == 1 else 'Comparison of detectors'
    subtitle = (
        f'{", ".join(run.name for run in runs)}: {len(truth.imgs):,} images, '
        f'{objects:,} objects of {len(names):,} categories'
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


def _marked(cell: Cell, interval: tuple[float, float]) -> Cell:
    """Mark a difference whose interval leaves out zero."""
    low, high = interval
    if not (low > 0 or high < 0):
        return cell
    return Cell(cell.text, cell.value, cell.note, 'better' if low > 0 else 'worse')


def _note(interval: tuple[float, float], sign: bool = False) -> str:
    low, high = interval
    if np.isnan(low):
        return ''
    return f'{low:{"+" if sign else ""}.3f} to {high:{"+" if sign else ""}.3f}'


def _figures(
    runs: Sequence[Run], parts: Sequence[dict[str, Part]], kinds: Sequence[str], resamples: int
) -> Section:
    tables = []
    for kind in kinds:
        header = ['', *(run.name for run in runs)]
        header += [f'{run.name} − {runs[0].name}' for run in runs[1:]]
        rows = []
        for figure in FIGURES:
            row: list[Cell | str] = [figure.replace('_', ' ')]
            for part in parts:
                value = part[kind].figures.figures[figure]
                row.append(number(value, note=_note(part[kind].interval(figure))))
            for part in parts[1:]:
                difference, interval = _difference(part[kind], parts[0][kind], figure)
                cell = number(difference, note=_note(interval, sign=True), sign=True)
                row.append(_marked(cell, interval))
            rows.append(row)
        tables.append(Table(header, rows, PARTS[kind].capitalize()))
    text = (
        "COCO's twelve figures. Below each one its 95 % confidence interval, by "
        f'{resamples:,} resamples of the images.'
    )
    if len(runs) > 1:
        text += (
            ' Differences are of the same resamples; coloured where their interval leaves out zero.'
        )
    return Section('COCO figures', text, tables)


def _difference(part: Part, base: Part, figure: str) -> tuple[float, tuple[float, float]]:
    """A figure's difference and its interval, of the same resamples."""
    difference = part.figures.figures[figure] - base.figures.figures[figure]
    samples = part.resamples[figure] - base.resamples[figure]
    return difference, confidence_interval(difference, samples)


def _categories(
    runs: Sequence[Run],
    parts: Sequence[dict[str, Part]],
    kinds: Sequence[str],
    names: Sequence[str],
) -> Section:
    blocks: list[Table | Chart] = []
    several = len(runs) > 1
    for kind in kinds:
        all_of_them = [part[kind].figures.categories for part in parts]
        if several:
            header = [f'AP of {run.name}' for run in runs]
            header += [f'{run.name} − {runs[0].name}' for run in runs[1:]]
            columns = [number_of['AP'] for number_of in all_of_them]
            columns += [column - columns[0] for column in columns[1:]]
        else:
            header = list(_SHORT)
            columns = list(all_of_them[0].values())
        rows = []
        for k, name in enumerate(names):
            cells = [
                number(column[k], sign=several and i >= len(runs))
                for i, column in enumerate(columns)
            ]
            rows.append([name, number(parts[0][kind].objects[k], digits=0), *cells])
        header = ['category', 'objects', *header]
        blocks.append(Table(header, rows, f'Categories, {PARTS[kind]}', sortable=True))
    for kind in kinds:
        values = {
            run.name: part[kind].figures.categories['AP']
            for run, part in zip(runs, parts, strict=True)
        }
        blocks.append(charts.category_bars(f'AP of {PARTS[kind]} by category', names, values))
    text = 'Categories without objects have a dash. Click on a heading to sort.'
    return Section('Categories', text, blocks)


def _each(
    title: str,
    text: str,
    runs: Sequence[Run],
    parts: Sequence[dict[str, Part]],
    kinds: Sequence[str],
    draw: Callable[[str, dict[str, Part]], list[Chart | Table]],
) -> Section:
    """A section with a chart, or more, for boxes and for masks."""
    blocks = []
    for kind in kinds:
        of_run = {run.name: part[kind] for run, part in zip(runs, parts, strict=True)}
        blocks += draw(PARTS[kind], of_run)
    return Section(title, text, blocks)


def _precision_recall(words: str, of_run: dict[str, Part]) -> list[Chart]:
    curves = {}
    for name, part in of_run.items():
        precision = part.figures.precision  # [T, R, K]
        known = np.isfinite(precision).any((0, 1))
        mean = precision[:, :, known].mean(2) if known.any() else np.full((10, 101), np.nan)
        curves[name] = np.stack([mean[0], mean[5], mean.mean(0)])
    return [charts.precision_recall(f'Precision and recall of {words}', curves)]


def _sizes(words: str, of_run: dict[str, Part]) -> list[Chart]:
    values = {n: [p.figures.figures[f] for f in _SIZES] for n, p in of_run.items()}
    intervals = {n: np.array([p.interval(f) for f in _SIZES]).T for n, p in of_run.items()}
    ticks = [figure.removeprefix('AP_') for figure in _SIZES]
    return [charts.bars(f'AP of {words} by size', ticks, values, intervals, 'AP')]


def _calibration(words: str, of_run: dict[str, Part]) -> list[Chart | Table]:
    found = {name: part.calibration for name, part in of_run.items()}
    curves = {name: (c.score, c.precision) for name, c in found.items()}
    rows = [[name, number(c.error), number(c.count.sum(), 0)] for name, c in found.items()]
    header = ['', 'expected error', 'detections']
    return [
        charts.calibration(f'Calibration of {words}', curves),
        Table(header, rows, f'Calibration, {words}'),
    ]


def _errors(words: str, of_run: dict[str, Part]) -> list[Chart | Table]:
    lost = {name: [p.errors.lost[kind] for kind in KINDS] for name, p in of_run.items()}
    header = ['kind']
    for name in of_run:
        header += [f'{name}: AP50 lost', f'{name}: errors'] if len(of_run) > 1 else []
    if len(of_run) == 1:
        header += ['AP50 lost', 'errors']
    rows = []
    for kind in KINDS:
        row: list[Cell | str] = [kind]
        for part in of_run.values():
            row += [number(part.errors.lost[kind]), number(part.errors.count[kind], 0)]
        rows.append(row)
    ticks = [
        kind.replace('localisation', 'local.').replace('background', 'backgr.') for kind in KINDS
    ]
    return [
        charts.bars(f'AP50 lost by kind of error, {words}', ticks, lost, axis='AP50 lost'),
        Table(header, rows, f'Errors, {words}'),
    ]


def _examples(
    runs: Sequence[Run], parts: Sequence[dict[str, Part]], kinds: Sequence[str], truth: COCO
) -> Section:
    """Images that gain and lose most; of one run, its worst and best."""
    folder = next((run.images for run in runs if run.images), None)
    kind = kinds[-1]  # masks, where there are
    measure = (
        f'F1 of an image by itself, of {PARTS[kind]} with a score of {SCORE} and above, which are '
        'the ones drawn; mean over IoU 0.50:0.95.'
    )
    if folder is None:
        text = 'The images are not at hand: name their folder with --images to see them.'
        return Section('Images', text)
    print_log('Report: pictures')
    first = parts[0][kind].image_f1
    chosen: list[tuple[int, list[int], str]] = []  # image, runs, what is said of it
    if len(runs) == 1:
        order = np.argsort(first, kind='stable')
        order = order[np.isfinite(first[order])]
        best = order[::-1][:_EXAMPLES]
        chosen += [(i, [0], 'Best') for i in best]
        chosen += [(i, [0], 'Worst') for i in order[:_EXAMPLES] if i not in best]
    for r in range(1, len(runs)):
        gain = np.nan_to_num(parts[r][kind].image_f1) - np.nan_to_num(first)
        order = np.argsort(-gain, kind='stable')
        name = runs[r].name
        for i in order[:_EXAMPLES][gain[order[:_EXAMPLES]] > 0]:
            chosen.append((i, [0, r], f'{name} gains {gain[i]:.2f}'))
        for i in order[::-1][:_EXAMPLES][gain[order[::-1][:_EXAMPLES]] < 0]:
            chosen.append((i, [0, r], f'{name} loses {-gain[i]:.2f}'))

    image_ids = sorted(truth.imgs)
    wanted = {image_ids[i] for i, _, _ in chosen}
    detections = [
        [found for found in run.detections(kind) if found['image_id'] in wanted] for run in runs
    ]
    blocks = []
    for i, those, what in chosen:
        image_id = image_ids[i]
        file_name = truth.imgs[image_id]['file_name']
        try:
            image = read_image(folder / file_name)
        except UserError as error:
            print_log(f'Report: not drawn: {error}')
            continue
        caption = f'{what}: {file_name}, objects that are there'
        pictures = [draw_example(truth, image_id, image, None, caption)]
        for r in those:
            value = parts[r][kind].image_f1[i]
            said = 'no object, none found' if np.isnan(value) else f'F1 {value:.2f}'
            caption = f'{runs[r].name}: {said}'
            pictures.append(draw_example(truth, image_id, image, detections[r], caption))
        blocks.append(Row(pictures))
    title = 'Best and worst images' if len(runs) == 1 else 'Images that gain and lose most'
    return Section(title, measure, blocks)


def _run_data(run: Run, parts: dict[str, Part], names: Sequence[str]) -> dict:
    data = dict(name=run.name, annotations=str(run.annotations), **making_data(run))
    for kind, part in parts.items():
        figures, errors = part.figures, part.errors
        data[kind] = dict(
            figures=figures.figures,
            intervals={figure: part.interval(figure) for figure in FIGURES},
            categories=[
                dict(name=name, objects=part.objects[k])
                | {figure: column[k] for figure, column in figures.categories.items()}
                for k, name in enumerate(names)
            ],
            errors=dict(ap50=errors.ap50, lost=errors.lost, count=errors.count),
            calibration=vars(part.calibration),
        )
    return data


def _difference_data(
    run: Run, parts: dict[str, Part], base: Run, base_parts: dict[str, Part], kinds: Sequence[str]
) -> dict:
    data = dict(run=run.name, against=base.name)
    for kind in kinds:
        data[kind] = {}
        for figure in FIGURES:
            difference, interval = _difference(parts[kind], base_parts[kind], figure)
            data[kind][figure] = dict(difference=difference, interval=interval)
    return data
