"""What a detector gets right, in words."""

import numpy as np

from mmgreen.evaluation import SCORES, SURE
from mmgreen.report import charts
from mmgreen.report.comparison import PARTS, Comparison, Part
from mmgreen.report.document import Cell, Section, Table, number

#: Share of the objects from which sure detections without a label are many.
_MANY = 0.02


def describe_short(comparison: Comparison) -> Section:
    """A sentence, a row for each run, and what another threshold would change."""
    kind = comparison.kinds[-1]  # masks where there are some
    parts = comparison.of_kind(kind)
    rows: list[list[Cell | str]] = []
    for name, part in parts.items():
        found, missed, false = at_threshold(part)
        rows.append(
            [
                name,
                number(part.threshold, 2),
                number(found, 0, _share(found, part.counts.objects)),
                number(missed, 0, _share(missed, part.counts.objects)),
                number(false, 0),
            ]
        )
    header = ['', 'score from', 'found', 'missed', 'false alarms']
    name, first = next(iter(parts.items()))
    found, missed, false = at_threshold(first)
    validated = comparison.runs[0].record.get('threshold')
    text = (
        f'{f"{name}: of" if len(parts) > 1 else "Of"} {first.counts.objects:,.0f} objects {found:,.0f} are found and '
        f'named right, and {missed:,.0f} are missed, with {false:,.0f} false alarms: of detections whose score is '
        f'{first.threshold:.2f} or higher, where the balance of both faults (F1) '
        + (
            'was best in validation. mmgreen detect takes it by default. '
            if validated is not None
            else f'is best on these images (--threshold {first.threshold:.2f}). '
        )
        + f'An object counts as found where {PARTS[kind]} overlap it by half (IoU 0.50).'
    )
    sure = int(first.by_image.unlabelled.sum())
    if sure > max(1, _MANY * first.counts.objects):
        text += (
            f' {sure:,} false alarms of a score of {SURE} and above lie where nothing is labelled: labels may be '
            'missing there.'
        )
    return Section('In short', text, [Table(header, rows), _by_score(kind, parts)])


def at_threshold(part: Part) -> tuple[float, float, float]:
    """Objects found and missed, and false alarms, from the part's threshold on."""
    place = int(np.searchsorted(SCORES, part.threshold - 1e-9))
    found, false = (
        counts[min(place, len(SCORES) - 1)] for counts in (part.counts.found, part.counts.false)
    )
    return float(found), float(part.counts.objects - found), float(false)


def _by_score(kind: str, parts: dict[str, Part]) -> charts.Chart:
    """Precision, recall and F1 by score; of several runs F1 alone. The threshold is marked."""
    if len(parts) == 1:
        (part,) = parts.values()
        counts = part.counts
        curves = {'precision': counts.precision, 'recall': counts.recall, 'F1': counts.f1}
        marks = {'F1': part.threshold}
    else:
        curves = {name: part.counts.f1 for name, part in parts.items()}
        marks = {name: part.threshold for name, part in parts.items()}
    title = f'{"F1" if len(parts) > 1 else "What is right and found"} by the score from which {PARTS[kind]} count'
    return charts.lines(
        title,
        {name: (SCORES, curve) for name, curve in curves.items()},
        'score from',
        'F1' if len(parts) > 1 else 'share',
        marks,
    )


def _share(part: float, whole: float) -> str:
    return f'{part / whole:.0%}' if whole else ''
