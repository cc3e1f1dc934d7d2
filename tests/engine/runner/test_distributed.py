"""Two processes by tools/dist_train.sh, on a CPU: killed, hung, resumed.

A launcher and two processes start anew in each test, and once more after a fault, and import the
libraries each time: most tests here take half a minute.
"""

import os
import signal

import pytest
from helpers import ROOT, Running, assert_same_training, logged_losses

PRETRAIN = 'configs/quickstart/greenmim_swin-nano_demo.py'
DETECT = 'configs/quickstart/mask-rcnn_green-swin-nano_fpn_demo.py'
#: One where processes would share a GPU, which NCCL refuses (tests/gpu_check.py).
PROCESSES = int(os.environ.get('MMGREEN_TEST_PROCESSES', 2))
COMMON = (
    'model.backbone.arch.embed_dims=16',
    'model.backbone.drop_path_rate=0.2',
    'train_dataloader.num_workers=0',
    'train_dataloader.persistent_workers=False',
    'train_dataloader.batch_size=2',
    'train_cfg.max_epochs=3',
    'default_hooks.logger.interval=1',
    'default_hooks.checkpoint.interval=1',
)
OPTIONS = {
    # As on GPUs: steps of one shape, and all gradients at once.
    PRETRAIN: (
        *COMMON,
        'model.neck.embed_dim=64',
        'model.cuda_graph=True',
        'model_wrapper_cfg.type=mmgreen.FlatDataParallel',
    ),
    DETECT: (
        *COMMON,
        'model.neck.in_channels=[16,32,64]',
        'model.backbone.init_cfg=None',
        'train_cfg.val_interval=3',
        'val_dataloader.num_workers=0',
        'val_dataloader.persistent_workers=False',
    ),
}


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch):
    monkeypatch.setenv('OMP_NUM_THREADS', '1')


def start(demo, config, work_dir, *options, flags=()):
    return Running(
        work_dir.with_suffix('.log'),
        *('tools/dist_train.sh', config, PROCESSES, '--work-dir', work_dir, *flags),
        *('--cfg-options', f'data_root={demo}/', *OPTIONS[config], *options),
    )


@pytest.fixture(scope='module')
def uninterrupted(demo, tmp_path_factory):
    """Work dirs of runs that nobody disturbs: two starts, half a minute."""
    folder = tmp_path_factory.mktemp('uninterrupted')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('OMP_NUM_THREADS', '1')
        for name, config in (('pretrain', PRETRAIN), ('detect', DETECT)):
            run = start(demo, config, folder / name)
            assert run.end() == 0, run.log.read_text()[-3000:]
    return {PRETRAIN: folder / 'pretrain', DETECT: folder / 'detect'}


def test_a_rank_that_is_killed_costs_nothing(demo, uninterrupted, tmp_path):
    """Two starts of a launcher and two processes: half a minute."""
    run = start(demo, DETECT, tmp_path / 'run')
    run.wait_for(r'Epoch\(train\) +\[2\]\[3/')
    os.kill(run.children()[-1], signal.SIGKILL)
    assert run.end() == 0, run.log.read_text()[-3000:]
    assert run.log.read_text().count('resumed epoch: 1') == 1
    assert_same_training(tmp_path / 'run', uninterrupted[DETECT], 'epoch_3.pth')
    assert len(logged_losses(tmp_path / 'run')) == 18


def test_killed_hung_and_signalled_it_is_the_same_training(demo, uninterrupted, tmp_path):
    """A rank is killed, one hangs, one is asked to leave, and then the launcher is.

    Each time the run is started again: five starts, a minute.
    """
    run = start(demo, PRETRAIN, tmp_path / 'run', 'env_cfg.dist_cfg.timeout=8')
    run.wait_for(r'Epoch\(train\) +\[2\]\[3/')
    os.kill(run.children()[-1], signal.SIGKILL)
    run.wait_for('resumed epoch: 1')
    run.wait_for(r'Epoch\(train\) +\[2\]\[6/')
    hung = run.children()[-1]
    os.kill(hung, signal.SIGSTOP)
    run.wait_for('Timed out waiting 8000ms')
    os.kill(hung, signal.SIGCONT)  # torchrun would wait half a minute before it kills it
    run.wait_for('resumed epoch: 1.*resumed epoch: 1')
    run.wait_for(r'Epoch\(train\) +\[3\]\[1/')
    os.kill(run.children()[-1], signal.SIGUSR1)
    run.wait_for('Asked to stop by a signal: saved')
    run.wait_for(r'Epoch\(train\) +\[3\]\[6/')
    os.kill(run.process.pid, signal.SIGTERM)
    assert run.end() == 75, run.log.read_text()[-3000:]
    assert run.log.read_text().count('Asked to stop by a signal: saved') == 2

    run = start(demo, PRETRAIN, tmp_path / 'run', flags=['--resume'])
    assert run.end() == 0, run.log.read_text()[-3000:]
    assert_same_training(tmp_path / 'run', uninterrupted[PRETRAIN], 'epoch_3.pth')
    assert len(logged_losses(tmp_path / 'run')) == 24


def test_dist_test_evaluates_in_two_processes(demo, uninterrupted, tmp_path):
    work_dir = uninterrupted[DETECT]
    run = Running(
        tmp_path / 'log',
        *(
            'tools/dist_test.sh',
            DETECT,
            work_dir / 'epoch_3.pth',
            PROCESSES,
            '--work-dir',
            tmp_path,
        ),
        *('--cfg-options', f'data_root={demo}/', *OPTIONS[DETECT][:1], *OPTIONS[DETECT][-5:-3]),
        *('test_dataloader.num_workers=0', 'test_dataloader.persistent_workers=False'),
    )
    assert run.end() == 0, run.log.read_text()[-3000:]
    assert 'coco/segm_mAP_50' in run.log.read_text()


@pytest.mark.parametrize('script', ['dist_train', 'dist_test', 'slurm_train', 'slurm_test'])
def test_scripts_say_how_they_are_used(tmp_path, script):
    run = Running(tmp_path / 'log', f'tools/{script}.sh')
    assert run.end() == 2
    assert f'tools/{script}.sh' in run.log.read_text()
    assert 'GPUS' in run.log.read_text()
    assert (ROOT / f'tools/{script}.sh').stat().st_mode & 0o111


def test_flexible_runner_is_resumed_like_the_other(demo, uninterrupted, tmp_path):
    """mmengine's other runner, whose order of loading and hooks is another one.

    It trains the same, interrupted or not. Two starts: half a minute.
    """
    options = ('runner_type=FlexibleRunner', 'strategy.type=DDPStrategy')
    run = start(demo, PRETRAIN, tmp_path / 'run', *options)
    run.wait_for(r'Epoch\(train\) +\[2\]\[3/')
    os.kill(run.children()[-1], signal.SIGUSR1)
    assert run.end() == 0, run.log.read_text()[-3000:]
    assert 'Asked to stop by a signal: saved' in run.log.read_text()
    assert_same_training(tmp_path / 'run', uninterrupted[PRETRAIN], 'epoch_3.pth')


def test_what_a_user_must_mend_is_said_once_and_not_tried_again(tmp_path):
    run = start(tmp_path / 'nowhere', PRETRAIN, tmp_path / 'run')
    assert run.end() == 1
    assert run.log.read_text().count('error: data root') == 1
