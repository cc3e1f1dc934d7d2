"""The container file installs as the README does, from files that are there, and runs as no root."""

import re
import subprocess

import pytest
from helpers import ROOT

FILE = (ROOT / 'Dockerfile').read_text()
STEPS = re.findall(
    r'^([A-Z]+) (.*)$', re.sub(r'\\\n\s*', '', re.sub(r'^#.*\n', '', FILE, flags=re.M)), re.M
)


def test_it_installs_by_the_lines_of_the_readme():
    """Which `make quickstart` runs in a fresh environment, too."""
    readme = (ROOT / 'README.md').read_text()
    ours = [line for word, line in STEPS if word == 'RUN' and line.startswith('pip install')]
    theirs = re.findall(r'^pip install -c .*$', readme, re.M)
    assert len(ours) == len(theirs) == 2
    for line, shown in zip(ours, theirs, strict=True):
        words = [word for word in shown.split() if word not in ('-e', '.')]
        assert [word for word in line.split() if word in words] == words
    assert ours[0].split()[-3:] == ['fastapi', 'uvicorn', '"$RUNTIME"']
    assert not re.search(r'\b(gcc|g\+\+|build-essential|cmake|nvcc|devel)\b', FILE)
    assert ('USER', 'mmgreen') in STEPS
    assert STEPS[-2] == ('ENTRYPOINT', '["mmgreen"]')


def test_its_versions_are_those_that_are_tested():
    constraints = (ROOT / 'requirements/constraints.txt').read_text()
    for name in ('fastapi', 'uvicorn', 'onnxruntime', 'torch', 'opencv-python-headless'):
        assert re.search(rf'^{name}==', constraints, re.M), name
    python = dict(line.split('=') for word, line in STEPS if word == 'ARG')['PYTHON']
    assert python in ('3.10', '3.11', '3.12')


def test_what_is_not_ignored_is_enough_to_build_the_package(tmp_path):
    """And nothing else of a checkout goes into it: neither data nor results."""
    ignored = (ROOT / '.dockerignore').read_text().split()
    assert ignored[0] == '*'
    kept = [name[1:] for name in ignored if name.startswith('!')]
    listing = subprocess.run(['git', 'ls-files', *kept], cwd=ROOT, capture_output=True, text=True)
    if listing.returncode:
        pytest.skip('this is no checkout of git')
    names = listing.stdout.splitlines()
    assert {name.split('/')[0] for name in names} == set(kept)
    for name in ('setup.py', 'mmgreen/version.py', 'requirements/constraints.txt'):
        assert name in names
    setup = (ROOT / 'setup.py').read_text()
    for name in re.findall(r"HERE / f?'([\w./-]+)", setup):
        assert name.split('/')[0] in kept


def test_its_shell_is_shell():
    for word, line in STEPS:
        if word == 'RUN':
            subprocess.run(['sh', '-n', '-c', line], check=True)
