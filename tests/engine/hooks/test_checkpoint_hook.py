"""Checkpoints from which training goes on as if it had never stopped."""

import errno
import os
import signal

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from toy import said, toy_config, train

from mmgreen import files
from mmgreen.engine import REQUEUE, prepare_run
from mmgreen.errors import UserError


@HOOKS.register_module()
class Interrupt(Hook):
    """Ends a run after a step."""

    priority = 'LOWEST'

    def __init__(self, step, by_signal=False, number=signal.SIGUSR1):
        self.step, self.by_signal, self.number = step, by_signal, number

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter + 1 == self.step:
            if not self.by_signal:
                raise KeyboardInterrupt
            os.kill(os.getpid(), self.number)


@HOOKS.register_module()
class Noise(Hook):
    """Uses up random numbers between the steps."""

    priority = 'LOWEST'

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        torch.rand(batch_idx + 1)


def losses(runner):
    return runner.model.losses


@pytest.fixture(scope='module', params=[True, False], ids=['by epoch', 'by iteration'])
def by_epoch(request):
    return request.param


@pytest.fixture(scope='module')
def uninterrupted(by_epoch, tmp_path_factory):
    work_dir = tmp_path_factory.mktemp('uninterrupted')
    return losses(train(toy_config(work_dir, by_epoch, interval=1 if by_epoch else 3)))


@pytest.mark.parametrize('workers', [0, 2])
@pytest.mark.parametrize('step', [1, 5, 7, 8, 13, 14])
def test_resumed_anywhere_it_is_the_same_training(tmp_path, by_epoch, uninterrupted, step, workers):
    """Killed after any step, that is whatever came of the last save."""
    config = dict(by_epoch=by_epoch, workers=workers, interval=1 if by_epoch else 3)
    cfg = toy_config(tmp_path, **config)
    cfg.custom_hooks = [dict(type='Interrupt', step=step)]
    with pytest.raises(KeyboardInterrupt):
        train(cfg)
    cfg = toy_config(tmp_path, **config)
    cfg.resume = True
    runner = train(cfg)
    # An epoch is saved after the last step's hooks.
    saved = (step - 1) // 7 * 7 if by_epoch else 14 if step == 14 else step // 3 * 3
    assert losses(runner) == uninterrupted[saved:]


@pytest.mark.parametrize('step', [1, 5, 7, 13])
def test_preempted_anywhere_it_goes_on_with_the_next_step(tmp_path, by_epoch, uninterrupted, step):
    config = dict(by_epoch=by_epoch, interval=1 if by_epoch else 3, max_keep_ckpts=1)
    cfg = toy_config(tmp_path, **config)
    # Before the hook that acts on the signal, at the end of the same step.
    cfg.custom_hooks = [dict(type='Interrupt', step=step, by_signal=True)]
    ctrl_c = signal.getsignal(signal.SIGINT)
    with pytest.raises(SystemExit) as stopped:
        train(cfg)
    assert stopped.value.code == REQUEUE == 75
    assert signal.getsignal(signal.SIGINT) == ctrl_c
    assert (tmp_path / 'last_checkpoint').read_text().endswith(f'iter_{step}.pth')

    cfg = toy_config(tmp_path, **config)
    cfg.resume = True
    runner = train(cfg)
    assert losses(runner) == uninterrupted[step:]
    last = 'epoch_2.pth' if by_epoch else 'iter_14.pth'
    assert [path.name for path in tmp_path.glob('*.pth')] == [last]


def test_ctrl_c_saves_after_the_step_and_goes_on_to_the_bit(
    tmp_path, by_epoch, uninterrupted, capfd, logged
):
    config = dict(by_epoch=by_epoch, interval=1 if by_epoch else 3, max_keep_ckpts=1)
    cfg = toy_config(tmp_path, **config)
    cfg.custom_hooks = [dict(type='Interrupt', step=5, by_signal=True, number=signal.SIGINT)]
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        train(cfg)
    assert 'Ctrl-C again ends it at once' in capfd.readouterr().err
    assert 'iter_5.pth after step 5; --resume goes on from there (exit status 130)' in said(
        tmp_path
    )
    assert signal.getsignal(signal.SIGINT) == before
    cfg = toy_config(tmp_path, **config)
    cfg.resume = True
    assert losses(train(cfg)) == uninterrupted[5:]


def test_a_second_ctrl_c_ends_at_once(tmp_path, monkeypatch):
    from mmgreen.engine.hooks import preemption_hook

    times = iter([0.0, 0.5, 2.0])
    monkeypatch.setattr(preemption_hook.time, 'monotonic', lambda: next(times))
    hook = preemption_hook.PreemptionHook()
    hook._signalled, hook._by_hand, hook._process = None, False, -1
    hook._receive(signal.SIGINT, None)
    hook._receive(signal.SIGINT, None)  # the same one, passed on by a launcher
    with pytest.raises(KeyboardInterrupt):
        hook._receive(signal.SIGINT, None)


def test_what_happens_between_steps_does_not_matter(tmp_path, by_epoch, uninterrupted):
    cfg = toy_config(tmp_path, by_epoch, interval=1 if by_epoch else 3)
    cfg.custom_hooks = [dict(type='Noise')]
    assert losses(train(cfg)) == uninterrupted


def test_old_checkpoints_go_when_the_new_one_is_there(tmp_path, monkeypatch):
    names = []
    replace = os.replace

    def look(part, path):
        names.append({p.name for p in tmp_path.glob('*.pth')})
        replace(part, path)

    monkeypatch.setattr(files.os, 'replace', look)
    train(toy_config(tmp_path, by_epoch=False, interval=3, max_keep_ckpts=2))
    assert {p.name for p in tmp_path.glob('*.pth')} == {'iter_12.pth', 'iter_14.pth'}
    # Before each file was there, both earlier ones were.
    assert {'iter_6.pth', 'iter_9.pth'} in names
    assert {'iter_9.pth', 'iter_12.pth'} in names


def test_a_full_disk_leaves_the_earlier_checkpoints_and_a_message(tmp_path, monkeypatch):
    fsync = os.fsync

    def fill(descriptor):
        name = os.readlink(f'/proc/self/fd/{descriptor}')
        if 'iter_9.pth' in name:
            raise OSError(errno.ENOSPC, 'No space left on device')
        fsync(descriptor)

    monkeypatch.setattr(files.os, 'fsync', fill)
    config = dict(by_epoch=False, interval=3, max_keep_ckpts=2)
    with pytest.raises(UserError) as error:
        train(toy_config(tmp_path, **config))
    assert 'iter_9.pth: no space left on device; free some space' in str(error.value)
    assert 'iter_6.pth is sound, and --resume goes on from it' in str(error.value)
    sound = {p.name for p in tmp_path.iterdir() if p.suffix in ('.pth', '.part')}
    assert sound == {'iter_3.pth', 'iter_6.pth'}

    monkeypatch.undo()
    cfg = toy_config(tmp_path, **config)
    cfg.resume = True
    assert len(losses(train(cfg))) == 8


def test_the_best_checkpoint_is_kept_until_a_better_one_is_there(tmp_path):
    from mmgreen.engine import CheckpointHook

    hook = CheckpointHook(interval=1, save_best='acc', by_epoch=True)
    cfg = toy_config(tmp_path)
    runner = train(cfg)
    hook.before_train(runner)
    hook.last_ckpt = None
    hook.after_val_epoch(runner, dict(acc=1.0))
    (first,) = tmp_path.glob('best_*.pth')
    hook.after_val_epoch(runner, dict(acc=0.5))
    assert list(tmp_path.glob('best_*.pth')) == [first]

    runner.train_loop._epoch = 9
    save, there = runner.save_checkpoint, []

    def look(*args, **kwargs):
        there.append(first.exists())
        save(*args, **kwargs)

    runner.save_checkpoint = look
    hook.after_val_epoch(runner, dict(acc=2.0))
    assert there == [True]
    assert list(tmp_path.glob('best_*.pth')) == [first]
    assert first.name == 'best_acc.pth'  # whatever the step, which is in it
    assert torch.load(first, weights_only=False)['meta']['epoch'] == 9
    assert runner.message_hub.get_info('best_ckpt') == str(first)


def test_a_second_training_does_not_mix_with_the_first(tmp_path):
    train(toy_config(tmp_path))
    first = {path.name: path.read_bytes() for path in tmp_path.glob('*.pth')}
    assert first
    cfg = toy_config(tmp_path)
    cfg.resume = True
    train(cfg)  # done already: goes on with nothing
    assert not (tmp_path / 'earlier_1').exists()
    for number in (1, 2):
        train(toy_config(tmp_path))
        aside = tmp_path / f'earlier_{number}'
        assert {path.name for path in aside.glob('*.pth')} == set(first)
    assert {
        path.name: path.read_bytes() for path in (tmp_path / 'earlier_1').glob('*.pth')
    } == first
    assert (tmp_path / 'earlier_2/last_checkpoint').is_file()
    assert (tmp_path / 'last_checkpoint').is_file()


def test_other_numbers_of_images_in_a_step_go_on_at_the_same_image(tmp_path, uninterrupted):
    cfg = toy_config(tmp_path)
    cfg.custom_hooks = [dict(type='Interrupt', step=4, by_signal=True)]
    with pytest.raises(SystemExit):
        train(cfg)
    cfg = toy_config(tmp_path)
    cfg.resume = True
    cfg.train_dataloader.batch_size = 4
    runner = train(cfg)
    assert len(losses(runner)) == 2 + 4  # of images 9 to 14, and of 14


def test_settings_of_the_hook_are_those_of_mmengine(tmp_path):
    cfg = toy_config(tmp_path, nonsense=1)
    prepare_run(cfg, 'train')
    assert cfg.default_hooks.checkpoint.type == 'mmgreen.CheckpointHook'


def test_settings_that_a_resumed_run_does_not_take_are_said(tmp_path):
    def config(epochs, rate):
        cfg = toy_config(tmp_path, interval=1)
        cfg.train_cfg.max_epochs = epochs
        cfg.optim_wrapper.optimizer.lr = rate
        cfg.param_scheduler = [dict(type='CosineAnnealingLR', T_max=epochs, by_epoch=True)]
        return cfg

    train(config(2, 0.01))
    again = config(4, 0.02)
    again.resume = True
    train(again)
    text = said(tmp_path)
    assert 'param_scheduler.0.T_max is 4 in the config and 2 in the checkpoint' in text
    assert 'optim_wrapper.optimizer.lr is 0.02 in the config and 0.01 in the checkpoint' in text
    same = config(5, 0.02)
    same.param_scheduler[0].update(T_max=2, end=2)
    same.optim_wrapper.optimizer.lr = 0.01
    same.work_dir = str(tmp_path)
    before = said(tmp_path).count('Resumed with the saved settings')
    same.resume = True
    train(same)
    assert said(tmp_path).count('Resumed with the saved settings') == before
