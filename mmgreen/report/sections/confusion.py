"""What is taken for what."""

import numpy as np

from mmgreen.report.comparison import PARTS, Comparison, Part
from mmgreen.report.document import Cell, Section, Table, number

#: Categories up to which the whole matrix is shown; of more, the most frequent confusions.
_WHOLE, _LISTED = 5, 15


def describe_confusion(comparison: Comparison) -> Section:
    """A matrix for each run, of masks where there are any; of many categories, a list."""
    kind = comparison.kinds[-1]
    names = list(comparison.categories)
    shape = _matrix if len(names) <= _WHOLE else _list
    tables = [shape(name, part, names) for name, part in comparison.of_kind(kind).items()]
    text = (
        f'{PARTS[kind].capitalize()} of the scores named in the section In short, and an IoU of 0.5 and above '
        'with an object of any category: rows are what is there, columns what was found. "Missed" '
        'are objects that nothing was found for, "nothing there" are detections of no object. Crowds '
        'are left out.'
    )
    return Section('Confusion of categories', text, tables)


def _matrix(run: str, part: Part, names: list[str]) -> Table:
    rows: list[list[Cell | str]] = []
    for i, (name, counts) in enumerate(zip([*names, 'nothing there'], part.confusion, strict=True)):
        cells = [number(count, 0) if count else Cell('·', 0) for count in counts]
        if i < len(names):
            cells[i] = Cell(cells[i].text, cells[i].value, mark='better' if counts[i] else '')
        else:
            cells[-1] = Cell('')
        rows.append([name, *cells])
    return Table(['', *names, 'missed'], rows, f'Confusion, {run}')


def _list(run: str, part: Part, names: list[str]) -> Table:
    """Pairs of categories that are confused most often; what is missed or not there is no pair."""
    counts = part.confusion[:-1, :-1].copy()
    np.fill_diagonal(counts, 0)
    order = np.argsort(-counts, axis=None, kind='stable')[:_LISTED]
    rows: list[list[Cell | str]] = []
    for i, j in zip(*np.unravel_index(order, counts.shape), strict=True):
        if counts[i, j]:
            share = counts[i, j] / max(1, part.objects[i])
            rows.append([names[i], names[j], number(counts[i, j], 0), number(share, 2)])
    header = ['there is', 'found was', 'times', 'share of the objects']
    return Table(header, rows, f'Most frequent confusions, {run}')
