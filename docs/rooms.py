#!/usr/bin/env python
"""Draw the rooms of the package, and what each imports, from the code itself.

``make docs`` calls it.
"""

import argparse
import ast
import io
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent / 'mmgreen'
#: From what stands alone to what needs all others: a room imports from those above it only.
LEVELS = (
    ('sparse', 'checkpoints', 'datasets', 'evaluation'),
    ('models', 'config', 'deploy'),
    ('engine', 'visualization', 'benchmark', 'recipes'),
    ('report',),
    ('apis', 'study'),
    ('serve',),
)


def imported(path: Path) -> Iterator[str]:
    """Rooms of this package that a file imports, at its top or within functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and not node.level and node.module:
            names = [node.module]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for name in names:
            if name.startswith('mmgreen.'):
                yield name.split('.')[1]


def imports() -> dict[str, set[str]]:
    """For each room the others that it imports; single files of the package are no rooms."""
    rooms = {path.name for path in PACKAGE.iterdir() if (path / '__init__.py').is_file()}
    rooms -= {'compat'}  # it imports nothing of ours, and everything stands on it
    return {
        room: {
            other
            for path in (PACKAGE / room).rglob('*.py')
            for other in imported(path)
            if other in rooms and other != room
        }
        for room in rooms
    }


def draw() -> str:
    """The drawing, SVG."""
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.patches import FancyBboxPatch

    figure = Figure(figsize=(10, 6.4))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    places = {}
    for level, rooms in enumerate(LEVELS):
        for i, room in enumerate(rooms):
            aside = 0.9 * (-1) ** level  # so that few arrows run through a box
            places[room] = ((i + 1) / (len(rooms) + 1) * 10 + aside, 5.8 - 1.3 * level)
    axes.set_xlim(0, 10)
    axes.set_ylim(0, 6.4)
    for room, others in sorted(imports().items()):
        x, y = places[room]
        for other in sorted(others):
            to_x, to_y = places[other]
            axes.annotate(
                '',
                (to_x, to_y - 0.27),
                (x, y + 0.27),
                arrowprops=dict(arrowstyle='-|>', color='#7a8a99', lw=1.1, shrinkA=0, shrinkB=0),
            )
    for room, (x, y) in places.items():
        box = FancyBboxPatch(
            (x - 0.75, y - 0.22),
            1.5,
            0.44,
            boxstyle='round,pad=0.05',
            fc='#e3f1e6',
            ec='#2a9d5c',
            zorder=3,
        )
        axes.add_patch(box)
        axes.text(x, y, room, ha='center', va='center', fontsize=12, zorder=4)
    buffer = io.StringIO()
    # The same code gives the same file; text stays text.
    with matplotlib.rc_context({'svg.hashsalt': 'rooms', 'svg.fonttype': 'none'}):
        figure.savefig(buffer, format='svg', metadata=dict(Date=None))
    return buffer.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], epilog='example: %(prog)s docs/images/rooms.svg'
    )
    parser.add_argument('out', type=Path, help='file to write, SVG')
    args = parser.parse_args()
    args.out.write_text(draw())


if __name__ == '__main__':
    main()
