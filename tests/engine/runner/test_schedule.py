"""What a run cannot do is said before its first step."""

import pytest
from toy import said, toy_config, train

from mmgreen.engine.runner.schedule import warn_of_schedules
from mmgreen.errors import UserError

WARM_UP = dict(type='LinearLR', start_factor=0.001, by_epoch=False, begin=0, end=1000)


def test_a_warm_up_longer_than_the_run_is_said_with_the_numbers(tmp_path):
    cfg = toy_config(tmp_path)
    cfg.param_scheduler = [WARM_UP]
    train(cfg)
    assert 'The run has 14 steps, but LinearLR goes on until 1000 (param_scheduler.0)' in said(
        tmp_path
    )


@pytest.mark.parametrize(
    ('scheduler', 'words'),
    [
        (dict(type='MultiStepLR', milestones=[8, 11]), None),
        (dict(type='MultiStepLR', milestones=[8, 30]), r'changes the learning rate at [30]'),
        (dict(type='CosineAnnealingLR', T_max=20, end=20), 'goes on until 20'),
        (dict(type='CosineAnnealingLR', T_max=12, end=12), None),
        (dict(WARM_UP, end=60), None),
    ],
)
def test_schedules_that_end_after_the_run_are_named(logged, scheduler, words):
    warn_of_schedules([scheduler], epochs=12, steps=60)
    if words is None:
        assert not logged.records
    else:
        assert words in logged.text


@pytest.mark.parametrize('by_epoch', [True, False])
def test_fewer_images_than_a_batch_are_refused(tmp_path, by_epoch):
    cfg = toy_config(tmp_path, by_epoch=by_epoch, size=3)
    sampler = dict(type='DefaultSampler', shuffle=True)
    cfg.train_dataloader.update(batch_size=4, drop_last=True, sampler=sampler)
    with pytest.raises(UserError, match='nothing to train on: 3 images make no batch of 4'):
        train(cfg)
    assert not list(tmp_path.glob('*.pth'))


def test_few_images_are_drawn_again_where_a_run_is_counted_in_steps(tmp_path):
    cfg = toy_config(tmp_path, by_epoch=False, size=3)
    sampler = dict(type='InfiniteSampler', shuffle=True)
    cfg.train_dataloader.update(batch_size=4, drop_last=True, sampler=sampler)
    runner = train(cfg)
    assert len(runner.model.losses) == cfg.train_cfg.max_iters
