"""The drill, in short: three kills, and as many starts; a minute."""

import pytest
from helpers import run_tool

pytestmark = pytest.mark.slow

DEMO = 'configs/quickstart/greenmim_swin-nano_demo.py'


def drill(demo, work_dir, kills, epochs):
    return run_tool(
        *('tools/analysis/fault_drill.py', DEMO, '--work-dir', work_dir, '--kills', kills),
        *('--cfg-options', f'data_root={demo}/', 'model.backbone.arch.embed_dims=16'),
        *('model.neck.embed_dim=64', 'train_dataloader.batch_size=4'),
        *('train_dataloader.num_workers=0', 'train_dataloader.persistent_workers=False'),
        *(f'train_cfg.max_epochs={epochs}', 'default_hooks.checkpoint.interval=1'),
    )


def test_a_run_that_is_killed_ends_with_the_same_weights(demo, tmp_path, monkeypatch):
    monkeypatch.setenv('OMP_NUM_THREADS', '1')
    done = drill(demo, tmp_path / 'drill', kills=3, epochs=40)
    assert done.returncode == 0, done.stdout + done.stderr
    assert '3 kills' in done.stdout
    assert '0 checkpoints torn by them' in done.stdout
    assert 'equal weights after 320 steps' in done.stdout


def test_a_run_that_is_too_short_is_said(demo, tmp_path):
    done = drill(demo, tmp_path / 'drill', kills=50, epochs=1)
    assert done.returncode == 1
    assert 'use a longer run' in done.stderr
