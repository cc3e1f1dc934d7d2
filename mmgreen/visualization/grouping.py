"""The method in one picture: visible units, windows, and the groups they are packed into."""

import cv2
import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Rectangle
from matplotlib.transforms import Bbox

from mmgreen.models import GreenBackbone
from mmgreen.sparse import Layout, Places, Window, Windows, attention_cost

_EMPTY = '#d9d9d9'
_COLOURS = np.delete(np.array(colormaps['tab20'].colors), [14, 15], axis=0)  # without its greys


def draw_grouping(image: np.ndarray, backbone: GreenBackbone, layout: Layout) -> Figure:
    """Draw the windows and groups of every stage, plain and shifted.

    On the left of each pair the visible tokens in the colour of their group,
    with the borders of the windows; on the right the groups, a row each,
    windows divided by white lines, padding in grey.

    Args:
        image: RGB, uint8, (height, width, 3), of the size the layout is for.
        backbone: Its stages and patch size.
        layout: A layout of one mask.
    """
    height, width = image.shape[:2]
    patch = backbone.patch_size
    visible = np.zeros(layout.units, dtype=bool)
    visible.flat[layout.visible[0].numpy()] = True
    unit = height // layout.units[0]
    seen = visible.repeat(unit, 0).repeat(unit, 1)

    patterns: dict[int, list[Window]] = {}
    for stage, window in layout.windows:
        patterns.setdefault(stage, []).append(window)
    figure = Figure(
        figsize=(13, 3.1 * (1 + len(patterns))),
        layout=ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.12),
    )
    cells = figure.add_gridspec(1 + len(patterns), 4)

    def panel(row: int, column: int, columns: int = 1) -> Axes:
        axes = figure.add_subplot(cells[row, column : column + columns])
        axes.set_axis_off()
        return axes

    masked = np.where(seen[..., None], image, 128)
    for column, picture, words in (
        (0, image, f'image, {height}x{width}'),
        (1, masked, f'{visible.sum()} of {visible.size} units of {unit} pixels visible'),
    ):
        axes = panel(0, column)
        axes.imshow(picture)
        axes.set_title(words, fontsize=10)

    told = []
    tokens = [c[0].numpy() for c in (layout.rows, layout.cols)]
    for row, (stage, pairs) in enumerate(patterns.items(), start=1):
        grid = tuple(size // patch >> stage for size in (height, width))
        for place, window in enumerate(sorted(pairs, key=lambda window: window.shift)):
            side, shift, _ = window
            windows = layout.windows[stage, window]
            name = f'stage {stage + 1}, {"shifted" if shift else "plain"}'
            map_axes, group_axes = panel(row, 2 * place), panel(row, 2 * place + 1)
            _draw_map(map_axes, masked, windows, grid, tokens, shift)
            _draw_groups(group_axes, windows)
            held = windows.num_tokens + len(windows.beyond)
            slots = windows.num_groups * windows.group_size
            map_axes.set_title(f'{name}: {grid[0]}x{grid[1]}, windows of {side}', fontsize=10)
            group_axes.set_title(
                f'{windows.num_groups} group{"s" * (windows.num_groups > 1)} of '
                f'{windows.group_size}, '
                f'{1 - held / slots:.0%} padding',
                fontsize=10,
            )
            told.append((name, *_costs(windows, grid)))
        if stage < len(layout.merges):
            tokens = _merged(tokens, layout.merges[stage])
    _draw_costs(panel(0, 2, columns=2), told)
    return figure


def _merged(tokens: list[np.ndarray], merge: Places | None) -> list[np.ndarray]:
    """Rows and columns of the next stage's tokens, of which each has a child at least."""
    if merge is None:
        return [c[::4] >> 1 for c in tokens]
    fours = merge.source.view(-1, 4).min(1).values.numpy()  # a missing one has the largest number
    return [c[fours] >> 1 for c in tokens]


def _colours(windows: Windows) -> np.ndarray:
    """(G, 3) RGB in 0..1."""
    return _COLOURS[np.arange(windows.num_groups) % len(_COLOURS)]


def _draw_map(
    axes: Axes,
    image: np.ndarray,
    windows: Windows,
    grid: tuple[int, int],
    tokens: list[np.ndarray],
    shift: int,
) -> None:
    colour = np.full((*grid, 4), 0.0)
    group = windows.inverse.numpy() // windows.group_size
    colour[tokens[0], tokens[1], :3] = _colours(windows)[group]
    colour[tokens[0], tokens[1], 3] = 0.62
    extent = (0, grid[1], grid[0], 0)
    axes.imshow(
        cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB), extent=extent
    )
    axes.imshow(colour, extent=extent, interpolation='nearest')
    first = shift if shift else 0
    axes.hlines(range(first, grid[0] + 1, windows.side), 0, grid[1], color='black', lw=0.8)
    axes.vlines(range(first, grid[1] + 1, windows.side), 0, grid[0], color='black', lw=0.8)
    axes.set(xlim=(0, grid[1]), ylim=(grid[0], 0))


def _draw_groups(axes: Axes, windows: Windows) -> None:
    colours = _colours(windows)
    size = windows.group_size
    owner = windows.window.view(windows.num_groups, size).numpy()
    for g, row in enumerate(owner):
        starts = np.flatnonzero(np.diff(row, prepend=-2))
        for start, end in zip(starts, [*starts[1:], size], strict=True):
            face = _EMPTY if row[start] < 0 else colours[g]
            axes.add_patch(
                Rectangle((start, g + 0.08), end - start, 0.84, facecolor=face, edgecolor='white')
            )
    axes.set(xlim=(0, size), ylim=(windows.num_groups, 0))


def _costs(windows: Windows, grid: tuple[int, int]) -> tuple[int, int, int]:
    """Attention pairs in groups, with a padded group for each window, and of the dense model."""
    owner = windows.window[windows.window >= 0].numpy()
    counts = np.bincount(owner)
    counts = counts[counts > 0]
    dense = int(np.prod([-(-size // windows.side) for size in grid])) * windows.side**4
    return (
        attention_cost(windows.num_groups, windows.group_size),
        attention_cost(len(counts), int(counts.max())),
        dense,
    )


def _draw_costs(axes: Axes, told: list[tuple[str, int, int, int]]) -> None:
    axes.set_title('attention pairs a head and block', fontsize=10)
    rows = [[f'{value:,}' for value in values] for _, *values in told]
    table = axes.table(
        cellText=rows,
        rowLabels=[name for name, *_ in told],
        colLabels=['groups', 'padded', 'dense'],
        bbox=Bbox.from_bounds(0.25, 0.0, 0.75, 0.95),
    )
    table.auto_set_font_size(False)
    table.set_fontsize(9)
