"""The rooms of the package import as the documentation says, one way."""

import ast
import importlib
import pkgutil
import re
import sys
from collections import Counter
from graphlib import TopologicalSorter

from helpers import ROOT

import mmgreen

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
        assert len(path.read_text().splitlines()) <= 130, path


def files_imported(path):
    """Files of the package that a file imports directly, at its top or within functions."""
    package = ROOT / 'mmgreen'
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.ImportFrom):
            continue
        folder = path.parents[node.level - 1] if node.level else ROOT
        base = folder.joinpath(*(node.module or '').split('.'))
        for alias in node.names:
            for file in (base / f'{alias.name}.py', base.with_suffix('.py'), base / '__init__.py'):
                if file.is_file():
                    if package in file.parents and file.parent != package:
                        yield file
                    break


def test_no_two_files_import_each_other():
    files = [p for p in (ROOT / 'mmgreen').rglob('*.py') if '.mim' not in p.parts]
    graph = {path: set(files_imported(path)) - {path} for path in files}
    tuple(TopologicalSorter(graph).static_order())  # a cycle is an error that names its files


def test_files_of_tests_have_names_of_their_own():
    """pytest imports them by these, and stops a whole run where two are the same."""
    names = Counter(path.name for path in (ROOT / 'tests').rglob('*.py'))
    assert [name for name, times in names.items() if times > 1] == []


def test_every_public_name_of_a_package_is_there():
    """Those that are imported when they are asked for, too."""
    packages = [
        importlib.import_module(found.name)
        for found in pkgutil.walk_packages(mmgreen.__path__, 'mmgreen.')
        if found.ispkg and '.mim' not in found.name
    ]
    names = [(package, name) for package in packages for name in getattr(package, '__all__', ())]
    assert len(names) > 50
    assert [name for package, name in names if not hasattr(package, name)] == []
