"""Charts as SVG that take the colours of the page around them, light or dark."""

import io
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .document import Chart

#: One colour a run; readable on white and on black, told apart by the colour-blind.
COLOURS = ('#2f81c7', '#d9822b', '#2a9d6f', '#c2558a', '#8a6fc9', '#8c8c3a')

# Placeholders that become variables of the page's style.
_INK, _LINE = '#010203', '#040506'
_STYLE: dict[Any, Any] = {
    'svg.fonttype': 'none',  # text stays text: any script, selectable
    'text.parse_math': False,  # names may hold dollars
    'font.family': 'DejaVu Sans',
    'font.size': 10,
    'text.color': _INK,
    'axes.labelcolor': _INK,
    'axes.edgecolor': _LINE,
    'axes.titlesize': 11,
    'axes.titleweight': 'bold',
    'axes.grid': True,
    'axes.axisbelow': True,
    'axes.spines.top': False,
    'axes.spines.right': False,
    'grid.color': _LINE,
    'grid.linewidth': 0.6,
    'xtick.color': _INK,
    'ytick.color': _INK,
    'legend.frameon': False,
    'legend.fontsize': 9,
}


def _draw(label: str, size: tuple[float, float], paint: Callable[[Axes], None]) -> Chart:
    """Paint on fresh axes of a size in inches."""
    buffer = io.StringIO()
    # Without the fonts of a script its width is a guess; the browser has them.
    with matplotlib.rc_context(_STYLE | {'svg.hashsalt': label}), warnings.catch_warnings():
        warnings.filterwarnings('ignore', message='Glyph')
        figure = Figure(figsize=size)
        axes = figure.add_subplot()
        axes.set_title(label)
        paint(axes)
        figure.savefig(buffer, format='svg', transparent=True, bbox_inches='tight')
    svg = buffer.getvalue()
    svg = svg[svg.index('<svg') :].replace(_INK, 'var(--ink)').replace(_LINE, 'var(--line)')
    return Chart(svg, label)


def _legend(axes: Axes, count: int) -> None:
    """A legend of several entries below the axes, clear of their labels."""
    if count > 1:
        below = -38 / (axes.bbox.height * 72 / axes.figure.dpi)  # 38 points
        axes.legend(loc='upper left', bbox_to_anchor=(0, below), borderaxespad=0)


def shorten(name: str, width: int = 28) -> str:
    """A name that fits beside a chart."""
    return name if len(name) <= width else name[: width - 1] + '…'


def bars(
    label: str,
    ticks: Sequence[str],
    values: Mapping[str, Sequence[float]],
    intervals: Mapping[str, np.ndarray] | None = None,
    axis: str = '',
) -> Chart:
    """Upright bars, side by side for several runs.

    Args:
        label: Title.
        ticks: What each group of bars is of.
        values: For each run one value a tick; NaN leaves a gap.
        intervals: For each run (2, ticks), drawn as whiskers.
        axis: The axis of the values.
    """

    def paint(axes: Axes) -> None:
        width = 0.8 / len(values)
        for i, (name, value) in enumerate(values.items()):
            at = np.arange(len(ticks)) + (i - (len(values) - 1) / 2) * width
            axes.bar(at, value, width * 0.92, color=COLOURS[i % 6], label=shorten(name))
            low, high = (value, value) if intervals is None else intervals[name]
            axes.vlines(at, low, high, color=_INK, linewidth=1.2)
            for x, y, top in zip(at, value, high, strict=True):
                if np.isfinite(y) and len(values) == 1:
                    axes.annotate(
                        f'{y:.3f}',
                        (x, top),
                        (0, 2),
                        textcoords='offset points',
                        ha='center',
                        fontsize=9,
                    )
        axes.set_xticks(range(len(ticks)), ticks)
        axes.set_xlim(-0.6, len(ticks) - 0.4)
        axes.margins(y=0.12)
        axes.grid(axis='x', visible=False)
        axes.set_ylabel(axis)
        _legend(axes, len(values))

    return _draw(label, (5.2, 3.0), paint)


def category_bars(
    label: str, names: Sequence[str], values: Mapping[str, np.ndarray], most: int = 80
) -> Chart:
    """Lying bars, the best category on top; of very many the best and the worst.

    Args:
        label: Title.
        names: Names of K categories.
        values: (K,) for each run; the first one decides the order.
        most: Categories to show.
    """
    leading = next(iter(values.values()))
    order = np.argsort(np.nan_to_num(leading, nan=-1), kind='stable')[::-1]
    order = order[np.isfinite(leading[order])]
    if len(order) > most:
        order = np.concatenate([order[: most // 2], order[-(most - most // 2) :]])
        label = f'{label}: best and worst {most // 2}'

    def paint(axes: Axes) -> None:
        height = 0.8 / len(values)
        for i, (name, value) in enumerate(values.items()):
            at = np.arange(len(order)) + (i - (len(values) - 1) / 2) * height
            width = np.nan_to_num(value[order])
            axes.barh(at, width, height * 0.9, color=COLOURS[i % 6], label=shorten(name))
        axes.set_yticks(range(len(order)), [shorten(names[k], 20) for k in order], fontsize=9)
        axes.set_ylim(len(order) - 0.4, -0.6)
        axes.set_xlim(0, None)
        axes.grid(axis='y', visible=False)
        _legend(axes, len(values))

    inches = 0.9 + max(len(order), 1) * max(0.2, 0.13 * len(values))
    return _draw(label, (4.6, inches), paint)


def precision_recall(label: str, curves: Mapping[str, np.ndarray]) -> Chart:
    """Precision over recall at IoU 0.50, 0.75 and on average.

    Args:
        label: Title.
        curves: (3, 101) for each run.
    """

    def paint(axes: Axes) -> None:
        recall = np.linspace(0, 1, 101)
        for i, (name, (loose, strict, mean)) in enumerate(curves.items()):
            prefix = f'{shorten(name)}: ' if len(curves) > 1 else ''
            for curve, style, words in (
                (loose, '-', 'IoU 0.50'),
                (strict, '--', 'IoU 0.75'),
                (mean, ':', 'IoU 0.50:0.95'),
            ):
                axes.plot(recall, curve, style, color=COLOURS[i % 6], label=prefix + words)
        axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel='recall', ylabel='precision')
        _legend(axes, 3 * len(curves))

    return _draw(label, (4.6, 3.6), paint)


def calibration(label: str, runs: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> Chart:
    """How often scores are right.

    Args:
        label: Title.
        runs: For each run mean score and precision of each bin.
    """

    def paint(axes: Axes) -> None:
        axes.plot([0, 1], [0, 1], '--', color=_INK, linewidth=1)
        for i, (name, (score, precision)) in enumerate(runs.items()):
            axes.plot(score, precision, 'o-', color=COLOURS[i % 6], label=shorten(name))
        axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel='score', ylabel='share that is right')
        _legend(axes, len(runs))

    return _draw(label, (4.6, 3.6), paint)


def lines(
    label: str,
    curves: Mapping[str, tuple[np.ndarray, np.ndarray]],
    x_label: str,
    y_label: str,
    marks: Mapping[str, float] | None = None,
) -> Chart:
    """Curves over the same axis.

    Args:
        label: Title.
        curves: For each name x and y.
        x_label: What x is.
        y_label: What y is.
        marks: For some of the names an x that is marked, its value beside it.
    """

    def paint(axes: Axes) -> None:
        for i, (name, (x, y)) in enumerate(curves.items()):
            axes.plot(x, y, '-', color=COLOURS[i % 6], label=shorten(name))
            if marks and name in marks:
                at = np.interp(marks[name], x, y)
                axes.plot(marks[name], at, 'o', color=COLOURS[i % 6])
                axes.annotate(
                    f'{marks[name]:.2f}',
                    (marks[name], at),
                    (0, 6),
                    textcoords='offset points',
                    ha='center',
                )
        axes.set(xlabel=x_label, ylabel=y_label)
        axes.margins(x=0.02, y=0.12 if marks else 0.05)
        _legend(axes, len(curves))

    return _draw(label, (5.2, 3.0), paint)


def points(
    label: str,
    places: Mapping[str, Sequence[tuple[float, float]]],
    intervals: Mapping[str, Sequence[tuple[float, float]]],
    texts: Sequence[str],
    x_label: str,
    y_label: str,
) -> Chart:
    """Points of several runs with whiskers.

    Args:
        label: Title.
        places: For each run as many x and y as texts.
        intervals: For each run the ends of as many whiskers.
        texts: What each point of a run is of, written beside it.
        x_label: What x is.
        y_label: What y is.
    """

    def paint(axes: Axes) -> None:
        for i, name in enumerate(places):
            colour = COLOURS[i % 6]
            x, y = zip(*places[name], strict=True)
            axes.plot(x, y, 'o', color=colour, label=shorten(name))
            axes.vlines(x, *zip(*intervals[name], strict=True), color=colour, linewidth=1.2)
            for text, at in zip(texts, places[name], strict=True):
                axes.annotate(text, at, (5, -3), textcoords='offset points', fontsize=8)
        axes.set(xlabel=x_label, ylabel=y_label)
        axes.margins(x=0.1)
        _legend(axes, len(places))

    return _draw(label, (5.2, 3.0), paint)
