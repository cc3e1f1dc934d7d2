"""A job on a real Slurm, started here: preempted, requeued, finished; a minute."""

import os
import re
import shutil
import subprocess
import time

import pytest
from helpers import ROOT, logged_losses

pytestmark = pytest.mark.slow

TOOLS = ('slurmctld', 'slurmd', 'munged', 'sbatch')


@pytest.fixture(scope='module')
def slurm(tmp_path_factory):
    """Slurm on this machine alone; its commands find it."""
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing or os.getuid():
        pytest.skip(f'Slurm cannot be started: no {", ".join(missing) or "root"}')
    folder = tmp_path_factory.mktemp('slurm')
    script = str(ROOT / 'tests/cluster/start_slurm.sh')
    done = subprocess.run([script, str(folder)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('SLURM_CONF', str(folder / 'slurm.conf'))
        patch.setenv('PATH', f'{ROOT / ".venv/bin"}:{os.environ["PATH"]}')
        yield
        subprocess.run(['scancel', '--state', 'RUNNING'])
        subprocess.run([script, '--stop', str(folder)])


def wait_for(what, timeout=120):
    end = time.monotonic() + timeout
    while not what():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_a_preempted_job_is_requeued_and_finishes(slurm, demo, tmp_path, monkeypatch):
    settings = dict(GPUS='2', CPUS_PER_TASK='1', SRUN_ARGS='--gres=none', OMP_NUM_THREADS='1')
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    work_dir = tmp_path / 'run'
    submitted = subprocess.run(
        [
            *('tools/slurm_train.sh', 'main', 'mim'),
            *('configs/quickstart/greenmim_swin-nano_demo.py', str(work_dir), '--cfg-options'),
            *(f'data_root={demo}/', 'model.backbone.arch.embed_dims=16'),
            *('model.neck.embed_dim=64', 'train_dataloader.batch_size=2'),
            *('train_dataloader.num_workers=0', 'train_dataloader.persistent_workers=False'),
            *('train_cfg.max_epochs=6', 'default_hooks.logger.interval=1'),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert submitted.returncode == 0, submitted.stderr
    job = re.search(r'Submitted batch job (\d+)', submitted.stdout)[1]
    log = work_dir / f'slurm-{job}.out'

    wait_for(lambda: log.exists() and re.search(r'Epoch\(train\) +\[2\]\[3/', log.read_text()))
    subprocess.run(['scancel', '--signal=USR1', job], check=True)

    def state():
        done = subprocess.run(['scontrol', 'show', 'job', job], capture_output=True, text=True)
        return done.stdout

    wait_for(lambda: 'JobState=COMPLETED' in state())
    assert 'Restarts=1' in state()
    said = log.read_text()
    saved = int(re.search(r'Asked to stop by a signal: saved .*/iter_(\d+)\.pth', said)[1])
    assert 'exit status 75: requeued' in said
    assert f'iter: {saved}' in re.search(r'resumed epoch.*', said)[0]
    assert sorted(logged_losses(work_dir)) == list(range(1, 49))
    assert (work_dir / 'epoch_6.pth').exists()


def test_the_lines_of_the_page(slurm, demo, tmp_path, monkeypatch):
    """docs/journeys.md on a cluster, with a smaller net, fewer steps and no GPU."""
    page = (ROOT / 'docs/journeys.md').read_text()
    (lines,) = re.findall(r'## ImageNet on a cluster.*?```bash\n(.*?)```', page, re.S)
    (config,) = re.findall(r'configs/greenmim/\S+', lines)
    lines = lines.replace('PARTITION', 'main').replace(
        config, 'configs/quickstart/greenmim_swin-nano_demo.py'
    )
    lines = lines.replace('work_dirs/mine', str(tmp_path / 'run')).replace(
        'num_workers=4',
        'num_workers=1 train_dataloader.dataset.data_prefix=train train_dataloader.batch_size=4 '
        'train_cfg.max_epochs=1 default_hooks.logger.interval=1 custom_hooks=[]',
    )
    shutil.copytree(demo / 'unlabelled', tmp_path / 'imagenet/train')
    settings = dict(GPUS='2', CPUS_PER_TASK='1', SRUN_ARGS='--gres=none', OMP_NUM_THREADS='1')
    for name, value in dict(settings, DATA=str(tmp_path)).items():
        monkeypatch.setenv(name, value)
    done = subprocess.run(['bash', '-ec', lines], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert '32 images' in done.stdout
    job = re.search(r'Submitted batch job (\d+)', done.stdout)[1]
    wait_for(lambda: _ended(job))
    said = (tmp_path / f'run/slurm-{job}.out').read_text()
    assert (tmp_path / 'run/epoch_1.pth').exists(), said[-2000:]
    assert len(logged_losses(tmp_path / 'run')) == 4  # 32 images, two processes of four


def _ended(job):
    done = subprocess.run(['scontrol', 'show', 'job', job], capture_output=True, text=True)
    return re.search(r'JobState=(COMPLETED|FAILED|CANCELLED|TIMEOUT)', done.stdout)


def test_what_is_wrong_with_slurm_test_comes_back(slurm, demo, monkeypatch):
    monkeypatch.setenv('GPUS', '2')
    monkeypatch.setenv('CPUS_PER_TASK', '1')
    monkeypatch.setenv('SRUN_ARGS', '--gres=none')
    done = subprocess.run(
        [
            *('tools/slurm_test.sh', 'main', 'eval'),
            *('configs/quickstart/mask-rcnn_green-swin-nano_fpn_demo.py', 'none.pth'),
            *('--cfg-options', f'data_root={demo}/'),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0  # 143 where Slurm ends the other task before it says the same
    assert 'error: checkpoint none.pth does not exist' in done.stderr


def test_the_start_script_says_how_it_is_used():
    done = subprocess.run(
        ['tests/cluster/start_slurm.sh'], cwd=ROOT, capture_output=True, text=True
    )
    assert 'start_slurm.sh FOLDER' in done.stdout
