"""What a detector gets right, in words."""

from mmgreen.evaluation import SCORES
from mmgreen.report.comparison import PARTS, Comparison
from mmgreen.report.document import Cell, Section, Table, number

# A score at which a detection that is wrong deserves a look at the labels; and their share of the objects.
_CONFIDENT, _MANY = 0.8, 0.02


def describe_short(comparison: Comparison) -> Section:
    """A sentence, and a row for each run."""
    kind = comparison.kinds[-1]  # masks where there are some
    parts = comparison.of_kind(kind)
    rows: list[list[Cell | str]] = []
    for name, part in parts.items():
        counts, best = part.counts, part.counts.best
        found = counts.found[best]
        rows.append(
            [
                name,
                number(SCORES[best], 2),
                number(found, 0, _share(found, counts.objects)),
                number(counts.objects - found, 0, _share(counts.objects - found, counts.objects)),
                number(counts.false[best], 0),
            ]
        )
    header = ['', 'score from', 'found', 'missed', 'false alarms']
    name, first = next((name, part.counts) for name, part in parts.items())
    best = first.best
    text = (
        f'{f"{name}: of" if len(parts) > 1 else "Of"} {first.objects:,.0f} objects {first.found[best]:,.0f} are found and named right, and '
        f'{first.objects - first.found[best]:,.0f} are missed, with {first.false[best]:,.0f} false alarms: of '
        f'detections whose score is {SCORES[best]:.2f} or higher (--threshold {SCORES[best]:.2f}), where the '
        'balance of both faults (F1) is best on these images. An object counts as found where '
        f'{PARTS[kind]} overlap it by half (IoU 0.50).'
    )
    sure = first.false[int(_CONFIDENT * len(SCORES))]
    if sure > max(1, _MANY * first.objects):
        text += (
            f' {sure:,.0f} false alarms have a score of {_CONFIDENT} or higher: look at these images first, for '
            'labels may be missing there.'
        )
    return Section('In short', text, [Table(header, rows)])


def _share(part: float, whole: float) -> str:
    return f'{part / whole:.0%}' if whole else ''
