"""A run of another length, and names that only a config's other settings are computed from."""

import pytest

from mmgreen.config import load_config, set_steps
from mmgreen.errors import UserError

DETECT = 'configs/own_data/mask-rcnn_green-swin-nano_fpn_b8-600_own-data.py'


@pytest.mark.parametrize('steps', [60, 300, 6000])
def test_everything_that_is_counted_in_steps_goes_with_them(steps):
    cfg = load_config(DETECT, {'train_cfg.val_interval': 150})
    set_steps(cfg, steps)
    share = steps / 600
    rise, fall = cfg.param_scheduler
    assert (rise.end, fall.begin, fall.end, fall.T_max) == tuple(
        round(n * share) for n in (100, 100, 600, 500)
    )
    assert cfg.train_cfg.max_iters == steps
    assert cfg.train_cfg.val_interval == round(150 * share)
    assert cfg.default_hooks.checkpoint.interval == round(200 * share)
    assert cfg.default_hooks.logger.interval == 10


def test_hooks_are_counted_too_and_shares_stay_shares():
    cfg = load_config('configs/own_data/greenmim_swin-nano_b32-4k_own-data.py')
    set_steps(cfg, 400)
    assert [hook.interval for hook in cfg.custom_hooks] == [100, 50]
    cfg = load_config('configs/own_data/semi_mask-rcnn_green-swin-nano_fpn_b8-600_own-data.py')
    cfg.custom_hooks[0].update(burn_in=0.25, warm_up=60)
    set_steps(cfg, 300)
    assert (cfg.custom_hooks[0].burn_in, cfg.custom_hooks[0].warm_up) == (0.25, 30)


def test_what_is_not_done_on_the_way_stays_so():
    cfg = load_config(DETECT)
    cfg.default_hooks.checkpoint.interval = -1
    set_steps(cfg, 60)
    assert cfg.default_hooks.checkpoint.interval == -1


def test_a_run_that_counts_epochs_is_refused():
    cfg = load_config('configs/quickstart/greenmim_swin-nano_demo.py')
    with pytest.raises(UserError, match='counts its run in epochs'):
        set_steps(cfg, 10)


@pytest.mark.parametrize(
    ('key', 'words'),
    [
        (
            'max_iters',
            'equal to it are .*train_cfg.max_iters.*; the length of a run is --steps',
        ),
        ('warm_up', 'equal to it are .*param_scheduler.0.end, param_scheduler.1.begin'),
        ('train_pipeline.2.scale', 'equal to it are train_dataloader.dataset.pipeline$'),
        ('scale', 'train_dataloader.dataset.pipeline.2.scale'),
        ('width', 'model.neck.out_channels'),  # of the model's file, which it inherits
    ],
)
def test_options_that_would_change_nothing_are_refused(key, words):
    with pytest.raises(
        UserError, match=f'--cfg-options {key.split(".")[0]} would change nothing'
    ) as error:
        load_config(DETECT, {key: 300})
    assert error.match(words)


def test_options_that_are_read_are_taken():
    cfg = load_config(
        DETECT, {'data_root': 'x/', 'model.neck.num_outs': 3, 'work_dir': 'y', 'mine': 1}
    )
    assert (cfg.data_root, cfg.model.neck.num_outs, cfg.work_dir, cfg.mine) == ('x/', 3, 'y', 1)
