"""The command ``mmgreen`` and the scripts in ``tools/``: help at once, and one way to each."""

import importlib
import re
import subprocess
import sys

import pytest
from helpers import ROOT

from mmgreen.cli.main import COMMANDS, describe, main

NAMES = [name for names in COMMANDS.values() for name in names]
#: What takes seconds to import; ``--help`` does without.
SLOW = ('torch', 'numpy', 'mmengine', 'mmcv', 'mmdet', 'cv2', 'PIL', 'matplotlib', 'scipy')


def module(name):
    return importlib.import_module(f'mmgreen.cli.{name.replace("-", "_")}')


@pytest.mark.parametrize('name', NAMES)
def test_every_command_has_help_with_an_example(name, capsys, monkeypatch):
    monkeypatch.setattr(sys, 'argv', ['mmgreen', name, '--help'])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f'usage: mmgreen {name} ')
    assert re.search(r'examples?:', shown)


def test_every_script_is_a_wrapper_of_its_command():
    wrapped = set()
    for path in (ROOT / 'tools').rglob('*.py'):
        found = re.search(r'from mmgreen\.cli\.(\w+) import main', path.read_text())
        if path.name == 'run_onnx.py':  # an example to copy, which needs no mmgreen
            continue
        assert len(path.read_text().splitlines()) <= 8, path
        wrapped.add(found[1].replace('_', '-'))
        assert (
            path.read_text().splitlines()[1] == f'"""{module(found[1]).__doc__.splitlines()[0]}"""'
        )
    assert wrapped == set(NAMES)


def test_help_imports_nothing_slow():
    code = (
        'import importlib, sys\n'
        f'for name in {NAMES!r}:\n'
        '    importlib.import_module(f"mmgreen.cli.{name.replace(chr(45), chr(95))}")\n'
        'from mmgreen.cli.main import describe\n'
        'describe()\n'
        f'print([name for name in {SLOW!r} if name in sys.modules])\n'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout == '[]\n', done.stdout + done.stderr


def test_the_list_has_a_line_for_each():
    lines = describe().splitlines()
    for name in NAMES:
        (line,) = [each for each in lines if each.startswith(f'  {name} ')]
        assert line.endswith('.')


def test_an_unknown_command_is_named(monkeypatch):
    monkeypatch.setattr(sys, 'argv', ['mmgreen', 'trian'])
    with pytest.raises(SystemExit, match="there is no command 'trian'"):
        main()


def test_the_package_is_a_command_too():
    done = subprocess.run(
        [sys.executable, '-m', 'mmgreen', 'train', '--help'], capture_output=True, text=True
    )
    assert done.returncode == 0
    assert done.stdout.startswith('usage: mmgreen train ')
