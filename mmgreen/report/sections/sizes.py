"""AP by the size of objects."""

import numpy as np

from mmgreen.report import charts
from mmgreen.report.comparison import PARTS, Comparison
from mmgreen.report.document import Section

_SIZES = ('AP_small', 'AP_medium', 'AP_large')


def describe_sizes(comparison: Comparison) -> Section:
    """Bars with intervals for boxes, and for masks."""
    blocks = []
    ticks = [figure.removeprefix('AP_') for figure in _SIZES]
    for kind in comparison.kinds:
        of_run = comparison.of_kind(kind)
        values = {n: [p.figures.figures[f] for f in _SIZES] for n, p in of_run.items()}
        intervals = {n: np.array([p.interval(f) for f in _SIZES]).T for n, p in of_run.items()}
        blocks.append(charts.bars(f'AP of {PARTS[kind]} by size', ticks, values, intervals, 'AP'))
    text = (
        'AP of small (below 32 x 32 pixels), medium, and large (from 96 x 96 on) objects; '
        'whiskers are 95 % confidence intervals.'
    )
    return Section('Size of objects', text, blocks)
