"""Shared fixtures: small models, and real data where it is at hand."""

import gc
import importlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from helpers import run_tool
from mmengine.logging import MMLogger
from mmengine.registry import DefaultScope

import mmgreen.apis
import mmgreen.report  # noqa: F401

# After mmgreen, which offers operators to mmdet.
importlib.import_module('mmdet.apis')
# mmengine collects garbage for each dataset that it builds; what is imported is none.
gc.freeze()

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get('MMGREEN_TEST_DATA', ROOT.parent / 'shared/data'))


# Files that take longest come first, so that no worker is left with one at the end.
LONGEST = (
    'test_notebook.py',
    'test_distributed.py',
    'test_one_step.py',
    'test_fault_drill.py',
    'test_slurm.py',
    'test_benchmark.py',
    'test_faults.py',
    'test_real_images.py',
    'test_journeys.py',
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    rank = {name: i for i, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path.name, len(rank)))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what machines of any speed can compare."""
    if not hasattr(terminalreporter.config, 'workerinput'):
        terminalreporter.write_line(f'{sum(os.times()[:4]) / 60:.1f} minutes of CPU time')


def real_data(name: str) -> Path:
    """Folder of a real dataset, or skip."""
    path = SHARED / name
    if not path.is_dir():
        pytest.skip(f'{name} is not at hand: set MMGREEN_TEST_DATA to the folder that holds it')
    return path


@pytest.fixture(scope='session')
def coco_tiny() -> Path:
    return real_data('coco_tiny')


@pytest.fixture(scope='session')
def odd_inputs() -> Path:
    return real_data('odd_inputs')


@pytest.fixture(scope='session')
def imagenette() -> Path:
    return real_data('imagenette_mini')


@pytest.fixture(scope='session')
def trap(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A TIFF of half a MB that would take half a GiB of memory."""
    path = tmp_path_factory.mktemp('trap') / 'trap.tif'
    black = np.zeros((24000, 24000), np.uint8)
    tifffile.imwrite(path, black, compression='zlib', rowsperstrip=512)
    return path


@pytest.fixture(autouse=True)
def _fresh_start() -> None:
    torch.manual_seed(0)
    DefaultScope._instance_dict.clear()  # left behind by a runner in this process


@pytest.fixture(scope='session')
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small demo dataset."""
    folder = tmp_path_factory.mktemp('data') / 'demo'
    done = run_tool(
        'tools/datasets/make_demo.py', folder, '--train', 24, '--val', 6, '--unlabelled', 32
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of 32 MiB, or skip where none can be mounted."""
    folder = tmp_path / 'disk'
    folder.mkdir()
    command = ['mount', '-t', 'tmpfs', '-o', 'size=32m', 'tmpfs', str(folder)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f'a small disk cannot be mounted, which takes root: {done.stderr.strip()}')
    yield folder
    subprocess.run(['umount', '--lazy', str(folder)], check=True)


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """What mmengine's logger, which does not propagate, is told."""
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    yield caplog
    logger.removeHandler(caplog.handler)


@pytest.fixture(scope='session')
def browser() -> Iterator:
    """Chromium, headless, or skip."""
    chromium = (
        os.environ.get('CHROMIUM') or shutil.which('chromium') or shutil.which('google-chrome')
    )
    if chromium is None:
        pytest.skip('Chromium is not at hand: apt install chromium, or set CHROMIUM to its path')
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # Root, as in a container, has no sandbox; nothing is to be looked up.
        quiet = ['--no-sandbox', '--disable-gpu', '--disable-background-networking']
        quiet += ['--disable-component-update', '--disable-sync']
        browser = playwright.chromium.launch(executable_path=chromium, args=quiet)
        yield browser
        browser.close()
