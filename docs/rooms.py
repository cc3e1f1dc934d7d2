#!/usr/bin/env python
"""Draw the rooms of the package, and what each imports, from the code itself.

``make docs`` calls it.
"""

import argparse
import ast
import io
import re
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent / 'mmgreen'
#: From what stands alone to what needs all others, and where each is drawn: a room imports from
#: those above it only.
LEVELS: tuple[dict[str, float], ...] = (
    dict(sparse=1, checkpoints=3.9, datasets=6.8, config=9.8),
    dict(models=1.9, evaluation=4.7, importing=7.3, deploy=10.0),
    dict(visualization=2.7, recipes=8.6),
    dict(engine=4.6, browsing=7.2),
    dict(benchmark=1.6, prelabels=4.3, report=6.4),
    dict(apis=7.6),
    dict(choosing=8.2, serve=10.0),
    dict(study=6.6),
    dict(cli=4.4),
)


def named(path: Path) -> Iterator[str]:
    """Modules of this package that a file names: imports, also within functions, and strings."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and not node.level and node.module:
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value  # as of a registry, or of a process


def registered(rooms: set[str]) -> dict[str, str]:
    """The room of each module that configs name."""
    return {
        node.name: room
        for room in rooms
        for path in (PACKAGE / room).rglob('*.py')
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef)
        and any('register_module' in ast.unparse(each) for each in node.decorator_list)
    }


def imports() -> dict[str, set[str]]:
    """For each room the others that it names; single files of the package are no rooms."""
    rooms = {path.name for path in PACKAGE.iterdir() if (path / '__init__.py').is_file()}
    rooms -= {'compat'}  # it imports nothing of ours, and everything stands on it
    places = {room: room for room in rooms} | registered(rooms)
    found: dict[str, set[str]] = {room: set() for room in rooms}
    for room in rooms:
        for path in (PACKAGE / room).rglob('*.py'):
            names = (re.match(r'mmgreen\.(\w+)(\.\w+)*$', name) for name in named(path))
            found[room] |= {places[name[1]] for name in names if name and name[1] in places}
        found[room] -= {room}
    return found


def draw() -> str:
    """The drawing, SVG."""
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.patches import FancyBboxPatch

    height = 1.1 * len(LEVELS)
    figure = Figure(figsize=(11, height))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_xlim(0, 11)
    axes.set_ylim(0, height)
    places = {
        room: (x, height - 0.5 - 1.1 * level)
        for level, rooms in enumerate(LEVELS)
        for room, x in rooms.items()
    }
    graph = imports()
    for room, others in sorted(graph.items()):
        x, y = places[room]
        for other in sorted(others):
            to_x, to_y = places[other]
            # What another arrow leads to, too, is drawn lightly.
            again = any(other in graph[between] for between in others)
            axes.annotate(
                '',
                (to_x, to_y - 0.27),
                (x, y + 0.27),
                arrowprops=dict(
                    arrowstyle='-|>',
                    color='#c9d3da' if again else '#4a5a69',
                    lw=0.8 if again else 1.4,
                    shrinkA=0,
                    shrinkB=0,
                    zorder=1 if again else 2,
                ),
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
