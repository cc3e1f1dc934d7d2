"""COCO's figures with their intervals, and what the runs differ by."""

from mmgreen.evaluation import FIGURES
from mmgreen.report.comparison import PARTS, Comparison
from mmgreen.report.document import Cell, Section, Table, estimate, gain


def describe_figures(comparison: Comparison) -> Section:
    """A table of the twelve figures for boxes, and one for masks."""
    runs, parts = comparison.runs, comparison.parts
    tables = []
    for kind in comparison.kinds:
        header = ['', *(run.name for run in runs)]
        header += [f'{run.name} − {runs[0].name}' for run in runs[1:]]
        rows = []
        for figure in FIGURES:
            row: list[Cell | str] = [figure.replace('_', ' ')]
            for part in parts:
                value = part[kind].figures.figures[figure]
                row.append(estimate(value, part[kind].interval(figure)))
            for part in parts[1:]:
                row.append(gain(*part[kind].difference(parts[0][kind], figure)))
            rows.append(row)
        tables.append(Table(header, rows, PARTS[kind].capitalize()))
    text = (
        "COCO's twelve figures. Below each one its 95 % confidence interval, by "
        f'{comparison.resamples:,} resamples of the images.'
    )
    if comparison.sizes[0] > 1:
        text += (
            f' Each is a group of {comparison.sizes[0]} runs: their mean is shown, with an interval '
            'over seeds and images. What follows is of the group, too, but for pictures, costs and '
            'how it was made, which are of its first run.'
        )
    if len(runs) > 1:
        text += (
            ' Differences are of the same resamples; coloured where their interval leaves out zero.'
        )
        if comparison.sizes[0] == 1:
            text += (
                ' Each is of one seed: what another seed would change is in no interval here. Train '
                'each with others (randomness.seed=1), and give the runs of one kind the same name.'
            )
    return Section('COCO figures', text, tables)
