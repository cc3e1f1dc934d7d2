"""The wheel, installed without the checkout, is the whole project."""

import json
import os
import subprocess
import sys

import pytest
from helpers import ROOT

pytestmark = pytest.mark.slow

PRETRAIN = 'mmgreen::quickstart/greenmim_swin-nano_demo.py'
DETECT = 'mmgreen::quickstart/mask-rcnn_green-swin-nano_fpn_demo.py'
WORKERS = [
    f'{split}_dataloader.{option}'
    for split in ('train', 'val', 'test')
    for option in ('num_workers=0', 'persistent_workers=False')
]


@pytest.fixture(scope='module')
def installed(tmp_path_factory):
    """A folder that the wheel of a clean checkout is installed in."""
    folder = tmp_path_factory.mktemp('wheel')
    listing = ['git', 'ls-files', '-z', '--cached', '--others', '--exclude-standard']
    tracked = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True)
    if tracked.returncode:
        pytest.skip('this is no checkout of git')
    for name in filter(None, tracked.stdout.split('\0')):
        if (ROOT / name).is_file():
            (folder / 'checkout' / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / 'checkout' / name).write_bytes((ROOT / name).read_bytes())
    python = [sys.executable, '-m']
    build = [*python, 'build', '--wheel', '--no-isolation', '--outdir', folder, folder / 'checkout']
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = folder.glob('mmgreen-*.whl')
    install = [*python, 'pip', 'install', '--no-deps', '--target', folder / 'installed', wheel]
    subprocess.run(install, check=True, capture_output=True)
    return folder / 'installed'


def test_it_trains_tests_and_reports(installed, demo, tmp_path):
    """Three real processes, which import the libraries: 20 seconds."""
    tools = installed / 'mmgreen/.mim/tools'

    def run(tool, *args):
        command = [sys.executable, tools / tool, *args]
        if tool == 'train.py':  # by the command that pip installs
            command = [sys.executable, installed / 'bin/mmgreen', 'train', *args]
        env = os.environ | dict(PYTHONPATH=str(installed))
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    data = ('--cfg-options', f'data_root={demo}/', 'train_cfg.max_epochs=1')
    run('train.py', PRETRAIN, '--work-dir', 'pretrain', *data, *WORKERS[:2],
        'default_hooks.checkpoint.interval=1')  # fmt: skip
    run('train.py', DETECT, '--work-dir', 'detect', *data, *WORKERS,
        'model.backbone.init_cfg.checkpoint=pretrain/epoch_1.pth')  # fmt: skip
    said = run('test.py', DETECT, 'detect/epoch_1.pth', '--work-dir', 'test',
               '--cfg-options', data[1], *WORKERS)  # fmt: skip
    assert 'coco/segm_mAP_50' in said
    (record,) = tmp_path.glob('test/*/run.json')
    from mmgreen import __version__

    assert json.loads(record.read_text())['versions']['mmgreen'] == __version__
    assert record.with_name('report.html').is_file()
