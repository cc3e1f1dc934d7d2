"""A release says what has changed, and is of a version that is dated."""

import os
import shutil
import subprocess

import pytest
import yaml
from helpers import ROOT

from mmgreen.version import __version__


def notes(folder):
    env = os.environ | dict(NOTES_ONLY='1')
    return subprocess.run([folder / '.ci/release'], capture_output=True, text=True, env=env)


@pytest.fixture
def project(tmp_path):
    """What the notes are made of."""
    for name in ('.ci/release', 'CHANGELOG.md', 'mmgreen/version.py'):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def test_notes_are_those_of_the_version(project):
    path = project / 'CHANGELOG.md'
    path.write_text(
        f'# Changes\n\n## [{__version__}] - 2026-01-02\n\n- new\n\n## [0.0.1] - x\n\n- old\n'
    )
    done = notes(project)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == '- new'


def test_a_version_without_a_date_or_a_section_is_refused(project):
    path = project / 'CHANGELOG.md'
    path.write_text(f'## [{__version__}] - unreleased\n')
    assert 'no date of' in notes(project).stderr
    path.write_text('## [9.9.9] - 2026-01-02\n')
    done = notes(project)
    assert f'no section of {__version__}: write it' in done.stderr
    assert done.returncode == 1


def test_a_tag_is_released_by_the_same_command():
    workflow = yaml.safe_load((ROOT / '.github/workflows/release.yml').read_text())
    (job,) = workflow['jobs'].values()
    commands = [step['run'] for step in job['steps'] if 'run' in step]
    assert {'make test', 'make release'} <= set(commands)
    assert commands.index('make release') < len(commands) - 1
    assert 'release:' in (ROOT / 'Makefile').read_text()
