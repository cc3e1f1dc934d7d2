"""Which checkpoint training goes on from."""

import os
import random
import time

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from toy import said, toy_config, train

from mmgreen.engine.runner import resumable_loader
from mmgreen.errors import UserError


@pytest.fixture
def work_dir(tmp_path):
    """After iterations 3, 6, 9, 12 and 14."""
    train(toy_config(tmp_path, by_epoch=False, interval=3))
    return tmp_path


def resume(work_dir, restartable=False, **changes):
    cfg = toy_config(work_dir, by_epoch=False, interval=3)
    cfg.train_cfg.max_iters = 15
    cfg.resume = True
    cfg.merge_from_dict(changes)
    return train(cfg, restartable)


def steps(runner):
    return len(runner.model.losses)


def tear(path):
    content = path.read_bytes()
    path.write_bytes(content[: random.Random(0).randrange(len(content))])


def test_the_last_one_is_resumed(work_dir):
    assert steps(resume(work_dir)) == 1
    assert 'Passed over' not in said(work_dir)


def test_a_torn_one_is_passed_over(work_dir):
    tear(work_dir / 'iter_14.pth')
    assert steps(resume(work_dir)) == 3
    assert 'Passed over: checkpoint' in said(work_dir)
    assert 'iter_14.pth is truncated or not a checkpoint' in said(work_dir)
    assert f'Going on from {work_dir}/iter_12.pth instead' in said(work_dir)


def test_a_missing_one_is_passed_over(work_dir):
    (work_dir / 'iter_14.pth').unlink()
    assert steps(resume(work_dir)) == 3
    assert 'iter_14.pth does not exist' in said(work_dir)


def test_one_of_another_model_is_passed_over(work_dir):
    checkpoint = torch.load(work_dir / 'iter_14.pth', weights_only=True)
    checkpoint['state_dict']['layer.weight'] = torch.zeros(1, 4)
    torch.save(checkpoint, work_dir / 'iter_14.pth')
    assert steps(resume(work_dir)) == 3
    assert 'iter_14.pth is of another architecture' in said(work_dir)


def test_one_with_pickled_code_is_passed_over(work_dir):
    checkpoint = torch.load(work_dir / 'iter_14.pth', weights_only=True)
    torch.save(checkpoint | dict(code=random.Random()), work_dir / 'iter_14.pth')
    assert steps(resume(work_dir)) == 3
    assert 'iter_14.pth holds pickled objects' in said(work_dir)


@pytest.mark.parametrize('content', [b'', b'\xff\xfe', b'elsewhere/iter_6.pth'])
def test_where_last_checkpoint_is_of_no_use_the_newest_is_taken(work_dir, content):
    (work_dir / 'last_checkpoint').write_bytes(content)
    assert steps(resume(work_dir)) == 1


def test_a_work_dir_that_was_moved_is_resumed(work_dir, tmp_path_factory):
    moved = work_dir.rename(tmp_path_factory.mktemp('other') / 'moved')
    assert steps(resume(moved)) == 1


def test_where_none_is_sound_nothing_is_trained(work_dir):
    for path in work_dir.glob('*.pth'):
        tear(path)
    with pytest.raises(UserError, match='no checkpoint in .* can be resumed'):
        resume(work_dir)


def test_without_any_training_starts(tmp_path):
    assert steps(resume(tmp_path)) == 15


def test_without_any_training_starts_from_load_from(work_dir, tmp_path_factory):
    new = tmp_path_factory.mktemp('new')
    runner = resume(new, resume='auto', load_from=f'{work_dir}/iter_14.pth')
    assert steps(runner) == 15
    assert runner._load_from == f'{work_dir}/iter_14.pth'


@pytest.fixture
def restart(monkeypatch):
    """As a launcher does it; given: what was saved how many seconds before its first start."""

    def restart(work_dir, age, **changes):
        monkeypatch.setenv('TORCHELASTIC_RESTART_COUNT', '1')
        monkeypatch.setenv('MMGREEN_LAUNCHED', str(time.time()))
        for path in (*work_dir.glob('*.pth'), work_dir / 'last_checkpoint'):
            os.utime(path, (time.time() - age,) * 2)
        return resume(work_dir, restartable=True, **changes)

    return restart


def test_a_run_that_is_started_again_goes_on_from_what_it_saved(work_dir, restart):
    assert steps(restart(work_dir, age=-5, resume=False)) == 1


def test_but_not_from_what_an_earlier_run_left(work_dir, restart):
    assert steps(restart(work_dir, age=3600, resume=False)) == 15


def test_but_with_resume_from_that_too(work_dir, restart):
    assert steps(restart(work_dir, age=3600, resume='auto')) == 1


def test_started_again_before_its_first_save_it_goes_on_from_the_given_one(work_dir, restart):
    assert steps(restart(work_dir, age=3600, load_from=f'{work_dir}/iter_9.pth')) == 6
    assert steps(restart(work_dir, age=-5, load_from=f'{work_dir}/iter_9.pth')) == 0


def test_only_tools_train_looks_whether_it_was_started_again(work_dir, monkeypatch):
    """In a job that was requeued, tools/test.py and a notebook do what they are told."""
    monkeypatch.setenv('SLURM_RESTART_COUNT', '1')
    assert steps(resume(work_dir, resume=False)) == 15


def test_weights_alone_cannot_be_resumed(work_dir):
    checkpoint = torch.load(work_dir / 'iter_14.pth', weights_only=True)
    torch.save(dict(state_dict=checkpoint['state_dict']), work_dir / 'weights.pth')
    with pytest.raises(
        UserError, match=r'weights.pth cannot be resumed, since it has no meta, opt'
    ):
        resume(work_dir, load_from=str(work_dir / 'weights.pth'))


def test_a_run_is_resumed_with_its_own_seed(tmp_path):
    config = dict(by_epoch=False, interval=3)
    cfg = toy_config(tmp_path, **config)
    cfg.randomness.seed = 7
    whole = train(cfg).model.losses
    for name in ('iter_14.pth', 'iter_12.pth'):
        (tmp_path / name).unlink()
    cfg = toy_config(tmp_path, **config)
    cfg.randomness.seed = None
    cfg.resume = True
    assert train(cfg).model.losses == whole[9:]


def test_two_runs_without_a_seed_have_the_same(tmp_path):
    losses = []
    for name in ('a', 'b'):
        cfg = toy_config(tmp_path / name, by_epoch=False, interval=20)
        cfg.pop('randomness')
        losses.append(train(cfg).model.losses)
    assert losses[0] == losses[1]


def test_what_a_resumed_run_does_not_take_is_said(work_dir):
    resume(work_dir, **{'optim_wrapper.optimizer.lr': 0.5})
    text = said(work_dir)
    assert 'optim_wrapper.optimizer.lr is 0.5 in the config and 0.01 in the checkpoint' in text


def test_a_worker_may_die_as_a_broken_pipe(tmp_path, monkeypatch):
    """What is seen of its death is, now and then, the end of a file."""

    class Breaking(torch.utils.data.DataLoader):
        broken = 0

        def __iter__(self):
            batches = super().__iter__()
            yield next(batches)
            if Breaking.broken < 2:
                Breaking.broken += 1
                raise (EOFError, ConnectionResetError)[Breaking.broken - 1]()
            yield from batches

    whole = train(toy_config(tmp_path / 'whole', by_epoch=False)).model.losses
    monkeypatch.setattr(resumable_loader, 'DataLoader', Breaking)
    runner = train(toy_config(tmp_path / 'broken', by_epoch=False))
    assert Breaking.broken == 2
    assert runner.model.losses == whole
    assert 'A worker process of the dataloader has died before step' in said(tmp_path / 'broken')


@pytest.mark.parametrize('batch_size', [1, 4, 8])
@pytest.mark.parametrize('begin', [1, 2])
def test_with_other_batches_a_schedule_ends_where_it_should(tmp_path, batch_size, begin):
    """64 images, four epochs of warm-up and cosine; after one or two, a step has other images."""
    schedule = [
        dict(type='LinearLR', start_factor=0.1, end=2, by_epoch=True, convert_to_iter_based=True),
        dict(type='CosineAnnealingLR', T_max=4, by_epoch=True, convert_to_iter_based=True),
        dict(type='LinearLR', start_factor=0.5, end=5, by_epoch=False),  # over, in either count
    ]

    def run(work_dir, batch_size, epochs, **changes):
        cfg = toy_config(work_dir, size=64)
        cfg.merge_from_dict(
            {'param_scheduler': schedule, 'train_dataloader.batch_size': batch_size, **changes}
        )
        cfg.train_cfg.max_epochs = 4
        cfg.custom_hooks = [dict(type='StopAfter', epochs=epochs)]
        runner = train(cfg)
        return runner, runner.optim_wrapper.get_lr()['lr'][0]

    _, whole = run(tmp_path / 'whole', batch_size, 3)
    run(tmp_path / 'parts', 2, begin)
    runner, found = run(tmp_path / 'parts', batch_size, 3, resume=True)
    assert runner.iter == 3 * 64 // batch_size
    assert found == pytest.approx(
        whole, rel=1e-6 if begin == 2 else 0.05
    )  # a warm-up of n steps has n - 1 rises
    steps = begin * 64 // batch_size
    assert f'its {begin * 32} steps are counted as {steps}' in said(tmp_path / 'parts')
    assert 'param_scheduler' not in said(tmp_path / 'parts')


@HOOKS.register_module()
class StopAfter(Hook):
    """Ends a run of so many epochs early, as a machine that is taken away."""

    def __init__(self, epochs):
        self.epochs = epochs

    def after_train_epoch(self, runner):
        if runner.epoch + 1 == self.epochs:
            runner.train_loop._max_epochs = self.epochs
