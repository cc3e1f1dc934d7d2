"""Steps that would spoil the weights."""

import os
import re

import pytest
import torch
from helpers import ROOT, Running
from mmengine.hooks import Hook
from mmengine.optim import OptimWrapper
from mmengine.registry import HOOKS, OPTIM_WRAPPERS
from toy import said, toy_config, train

from mmgreen.engine.hooks import readback
from mmgreen.engine.hooks.readback import LAG
from mmgreen.errors import UserError


def skipped(work_dir):
    return [line for line in said(work_dir).splitlines() if 'Step skipped' in line]


def test_among_two_processes_rank_and_image_are_named_and_both_skip(tmp_path, monkeypatch):
    path = f'{ROOT}/tests/engine:{ROOT}/tests:{os.environ.get("PYTHONPATH", "")}'
    monkeypatch.setenv('PYTHONPATH', path)
    monkeypatch.setenv('OMP_NUM_THREADS', '1')
    run = Running(
        tmp_path / 'log',
        *('tools/launch.py', '--rdzv-backend', 'c10d'),
        *('--rdzv-endpoint', 'localhost:0', '--nproc-per-node', 2),
        *('tests/engine/hooks/two_watched.py', tmp_path),
    )
    assert run.end() == 0, run.log.read_text()[-3000:]
    words = skipped(tmp_path)
    assert len(words) == 2  # once in each epoch
    assert all(re.search(r'rank [01], loss nan, images .*\b5\.jpg', line) for line in words)
    assert all(line.count('rank') == 1 for line in words)
    first, second = torch.load(tmp_path / 'weights.pth', weights_only=True)
    for name, value in first.items():
        assert torch.isfinite(value).all()
        assert torch.equal(value, second[name])


@HOOKS.register_module()
class Overflow(Hook):
    """Lets the gradient of a step overflow."""

    def __init__(self, step):
        self.step = step

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter + 1 == self.step:
            weight = runner.model.layer.weight
            handle = weight.register_hook(lambda gradient: handle.remove() or gradient * torch.inf)


def test_a_spoilt_image_is_named_and_its_step_skipped(tmp_path):
    cfg = toy_config(tmp_path, spoilt=[5])
    runner = train(cfg)
    words = skipped(tmp_path)
    assert len(words) == 2  # once in each epoch
    assert all('5.jpg' in line and 'rank 0, loss nan' in line for line in words)
    spoilt = [i for i, loss in enumerate(runner.model.losses, 1) if loss != loss]
    assert all(f'step {i}' in line for i, line in zip(spoilt, words, strict=True))
    assert torch.isfinite(runner.model.layer.weight).all()
    momentum = runner.optim_wrapper.optimizer.state.values()
    assert all(torch.isfinite(s['momentum_buffer']).all() for s in momentum)


@pytest.mark.parametrize('lag', [0, LAG])
def test_a_fused_optimizer_skips_by_itself_and_is_read_of_later(tmp_path, monkeypatch, lag):
    monkeypatch.setattr(readback, 'lag_behind', lambda device: lag)
    cfg = toy_config(tmp_path, spoilt=[5])
    cfg.optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=0.01))
    runner = train(cfg)
    assert runner.optim_wrapper.optimizer.param_groups[0]['fused']
    words = skipped(tmp_path)
    spoilt = [i for i, loss in enumerate(runner.model.losses, 1) if loss != loss]
    assert len(words) == len(spoilt) == 2
    for i, line in zip(spoilt, words, strict=True):
        assert f'step {i}, rank 0, loss nan' in line
        assert '5.jpg' in line
    assert torch.isfinite(runner.model.layer.weight).all()
    for state in runner.optim_wrapper.optimizer.state.values():
        assert state['step'] == 12  # of 14
        assert torch.isfinite(state['exp_avg']).all()


def test_a_skipped_step_leaves_weights_and_optimizer(tmp_path):
    cfg = toy_config(tmp_path, spoilt=range(14))
    cfg.train_cfg.max_epochs = 1
    start = toy_config(tmp_path)
    start.train_cfg.max_epochs = 0
    before = {k: v.clone() for k, v in train(start).model.state_dict().items()}
    after = train(cfg)
    assert all(torch.equal(v, before[k]) for k, v in after.model.state_dict().items())
    assert not after.optim_wrapper.optimizer.state


def test_after_ten_in_a_row_it_stops_and_names_the_last_good_checkpoint(tmp_path):
    train(toy_config(tmp_path, interval=1))
    cfg = toy_config(tmp_path, spoilt=range(14), interval=1)
    cfg.train_cfg.max_epochs = 4
    cfg.resume = True
    with pytest.raises(UserError) as error:
        train(cfg)
    assert 'it is the 10th step in a row' in str(error.value)
    assert 'step 24, rank 0' in str(error.value)
    assert 'the last good checkpoint is' in str(error.value)
    path = tmp_path / 'epoch_3.pth'
    assert str(path) in str(error.value)
    weights = torch.load(path, weights_only=True)['state_dict']
    assert all(torch.isfinite(value).all() for value in weights.values())


def test_a_gradient_that_overflows_is_named_with_the_images(tmp_path):
    cfg = toy_config(tmp_path)
    cfg.custom_hooks = [dict(type='Overflow', step=4)]
    runner = train(cfg)
    (words,) = skipped(tmp_path)
    assert 'the gradient is not finite: step 4, rank 0' in words
    assert '.jpg' in words
    assert torch.isfinite(runner.model.layer.weight).all()


@OPTIM_WRAPPERS.register_module()
class ScaledOptimWrapper(OptimWrapper):
    """A loss scaler that overflows in every step, as mmengine's for GPUs may."""

    def __init__(self, scale, **kwargs):
        super().__init__(**kwargs)
        self.loss_scaler = torch.amp.GradScaler('cpu', init_scale=scale)
        self.loss_scaler.scale(torch.ones(()))

    def step(self, **kwargs):
        pass


@pytest.mark.parametrize(('scale', 'stops'), [(1024.0, False), (0.5, True)])
def test_overflows_are_left_to_the_loss_scaler_while_it_can_help(tmp_path, scale, stops):
    cfg = toy_config(tmp_path)
    cfg.optim_wrapper.update(type='ScaledOptimWrapper', scale=scale)
    if stops:
        with pytest.raises(UserError, match='the gradient is not finite'):
            train(cfg)
    else:
        train(cfg)
        assert 'Step skipped' not in said(tmp_path)


def test_accumulated_gradients_name_the_image_of_whichever_part(tmp_path):
    cfg = toy_config(tmp_path, spoilt=[5])
    cfg.optim_wrapper.accumulative_counts = 7
    runner = train(cfg)
    words = skipped(tmp_path)
    assert len(words) == 2
    assert all('5.jpg' in line for line in words)
    assert torch.isfinite(runner.model.layer.weight).all()
