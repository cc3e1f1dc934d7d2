"""Training through faults of the machine, from the command line."""

import os
import shutil
import signal
import subprocess
import time

import pytest
import torch
from helpers import Running, assert_same_training, run_tool

PRETRAIN = 'configs/quickstart/greenmim_swin-nano_demo.py'


def command(demo, work_dir, *options, workers=0, epochs=3, flags=()):
    return (
        *('tools/train.py', PRETRAIN, '--work-dir', work_dir, *flags, '--cfg-options'),
        *(f'data_root={demo}/', 'model.backbone.arch.embed_dims=16', 'model.neck.embed_dim=64'),
        *('train_dataloader.batch_size=4', f'train_dataloader.num_workers={workers}'),
        *(f'train_dataloader.persistent_workers={workers > 0}', 'default_hooks.logger.interval=1'),
        *(f'train_cfg.max_epochs={epochs}', 'default_hooks.checkpoint.interval=1'),
        *('default_hooks.checkpoint.max_keep_ckpts=-1', 'model.backbone.drop_path_rate=0.2'),
        *options,
    )


def start(demo, work_dir, *options, **kwargs):
    log = work_dir.with_suffix('.log')
    return Running(log, *command(demo, work_dir, *options, **kwargs))


def sound(work_dir):
    return [p.name for p in sorted(work_dir.glob('*.pth')) if torch.load(p, weights_only=True)]


@pytest.fixture(scope='module')
def uninterrupted(demo, tmp_path_factory):
    work_dir = tmp_path_factory.mktemp('uninterrupted') / 'run'
    done = run_tool(*command(demo, work_dir))
    assert done.returncode == 0, done.stderr
    return work_dir


@pytest.mark.parametrize('workers', [0, 2])
def test_killed_and_resumed_it_is_the_same_training(demo, uninterrupted, tmp_path, workers):
    run = start(demo, tmp_path / 'run', workers=workers)
    run.wait_for(r'Epoch\(train\) +\[2\]\[5/')
    os.killpg(run.process.pid, signal.SIGKILL)
    assert run.end() == -signal.SIGKILL
    done = run_tool(*command(demo, tmp_path / 'run', workers=workers, flags=['--resume']))
    assert done.returncode == 0, done.stderr
    assert_same_training(tmp_path / 'run', uninterrupted, 'epoch_3.pth')


def test_a_worker_that_dies_is_replaced(demo, uninterrupted, tmp_path):
    run = start(demo, tmp_path / 'run', workers=2)
    run.wait_for(r'Epoch\(train\) +\[2\]\[2/')
    os.kill(run.children()[-1], signal.SIGKILL)
    assert run.end() == 0, run.log.read_text()[-3000:]
    assert 'A worker process of the dataloader has died before step' in run.log.read_text()
    assert_same_training(tmp_path / 'run', uninterrupted, 'epoch_3.pth')


def test_a_second_signal_ends_it_at_once(tmp_path):
    """In a step that does not end."""
    code = (
        'import os, time, mmgreen.engine.hooks.preemption_hook as p\n'
        'class Runner: cfg = None\n'
        'p.PreemptionHook().before_train(Runner)\n'
        'print("ready", flush=True)\n'
        'while True: time.sleep(0.1)\n'
    )
    (tmp_path / 'endless.py').write_text(code)
    run = Running(tmp_path / 'log', tmp_path / 'endless.py')
    run.wait_for('ready')
    os.kill(run.process.pid, signal.SIGUSR1)
    time.sleep(1.5)
    assert run.process.poll() is None
    os.kill(run.process.pid, signal.SIGTERM)
    assert run.end(timeout=5) == -signal.SIGTERM


def test_a_full_disk_leaves_sound_checkpoints_and_a_message(demo, small_disk):
    done = run_tool(*command(demo, small_disk / 'run', epochs=20))
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith(f'error: cannot write {small_disk}/run/epoch_')
    assert 'no space left on device; free some space on that disk' in last
    assert 'is sound, and --resume goes on from it' in last
    saved = sound(small_disk / 'run')
    assert len(saved) > 1
    assert f'epoch_{len(saved)}.pth is sound' in last

    subprocess.run(['mount', '-o', 'remount,size=96m', small_disk], check=True)
    epochs = len(saved) + 1
    done = run_tool(*command(demo, small_disk / 'run', epochs=epochs, flags=['--resume']))
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize('work_dir', ['/proc/mmgreen', 'README.md/run'])
def test_a_work_dir_that_cannot_be_written_is_said_before_anything_is_done(demo, work_dir):
    done = run_tool(*command(demo, work_dir))
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith(f'error: nothing can be written to the work dir {work_dir}: ')


@pytest.mark.parametrize('workers', [0, 2])
def test_a_dataset_that_disappears_is_said(demo, tmp_path, workers):
    own = shutil.copytree(demo, tmp_path / 'own')
    run = start(own, tmp_path / 'run', workers=workers, epochs=100)
    run.wait_for(r'Epoch\(train\) +\[3\]\[5/')
    shutil.rmtree(own)
    assert run.end() == 1
    last = run.log.read_text().strip().splitlines()[-1]
    assert last.startswith('error: ')
    assert f'images cannot be read, which is over 1%, the last of them {own}/unlabelled/' in last
    assert len(sound(tmp_path / 'run')) >= 2
