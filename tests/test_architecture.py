"""The rooms of the package import as the documentation says, one way."""

import re
import sys

from helpers import ROOT

sys.path.append(str(ROOT / 'docs'))

from rooms import LEVELS, imports


def documented():
    """Rooms and what each imports, of the table in docs/architecture.md."""
    text = (ROOT / 'docs/architecture.md').read_text()
    rows = re.findall(r'^\| `(\w+)` \|[^|]*\|([^|]*)\|$', text, re.M)
    return {room: set(re.findall(r'\w+', others)) for room, others in rows}


def test_rooms_import_what_the_table_says():
    assert imports() == documented()


def test_imports_run_one_way():
    level = {room: i for i, rooms in enumerate(LEVELS) for room in rooms}
    for room, others in imports().items():
        assert all(level[other] < level[room] for other in others), (room, others)


def test_tools_are_commands_of_arguments_only():
    for path in (ROOT / 'tools').rglob('*.py'):
        assert len(path.read_text().splitlines()) <= 100, path
