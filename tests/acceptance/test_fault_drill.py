"""The drill, in short: three kills, and as many starts; a minute."""

import pytest
from fault_drill import drill

from mmgreen.errors import UserError

pytestmark = pytest.mark.slow

DEMO = 'configs/quickstart/greenmim_swin-nano_demo.py'


def short_drill(demo, work_dir, kills, epochs):
    options = [
        *(f'data_root={demo}/', 'model.backbone.arch.embed_dims=16'),
        *('model.neck.embed_dim=64', 'train_dataloader.batch_size=4'),
        *('train_dataloader.num_workers=0', 'train_dataloader.persistent_workers=False'),
        *(f'train_cfg.max_epochs={epochs}', 'default_hooks.checkpoint.interval=1'),
    ]
    drill(DEMO, work_dir, kills, options=options)


def test_a_run_that_is_killed_ends_with_the_same_weights(demo, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv('OMP_NUM_THREADS', '1')
    short_drill(demo, tmp_path / 'drill', kills=3, epochs=40)
    printed = capsys.readouterr().out
    assert '3 kills' in printed
    assert '0 checkpoints torn by them' in printed
    assert 'equal weights after 320 steps' in printed


def test_a_run_that_is_too_short_is_said(demo, tmp_path):
    with pytest.raises(UserError, match='use a longer run'):
        short_drill(demo, tmp_path / 'drill', kills=50, epochs=1)
