"""Small models with weights that leave nothing at zero."""

import importlib
import io
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
import traceback
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import torch
from forked import Forked
from mmengine.utils import ManagerMixin
from torch import nn

from mmgreen.registry import MODELS

ROOT = Path(__file__).resolve().parent.parent
TINY = dict(embed_dims=16, depths=[2, 2, 2, 2], num_heads=[1, 2, 4, 8])
# The last stage's map has half the side of a window of 14 at 224 pixels.
WINDOW_14 = dict(window_size=14, stage_cfgs=[{}, {}, {}, dict(window_size=7)])


def randomise(module: nn.Module) -> None:
    """Draw every parameter, biases, norms and bias tables included."""
    for name, parameter in module.named_parameters():
        nn.init.normal_(parameter, std=0.5 if 'bias_table' in name else 0.1)
        if 'norm' in name and name.endswith('weight'):
            parameter.data += 1


@contextmanager
def weights_as_they_come():
    """Models of hundreds of millions of parameters, none of which is drawn."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ('kaiming_uniform_', 'normal_', 'trunc_normal_', 'uniform_', 'xavier_uniform_'):
            patch.setattr(nn.init, name, lambda tensor, *args, **kwargs: tensor)
        yield


def small_swin(**kwargs) -> nn.Module:
    """A GreenSwinTransformer of 16 channels in evaluation mode."""
    config = dict(type='mmgreen.GreenSwinTransformer', arch=TINY, window_size=7, drop_path_rate=0.0)
    model = MODELS.build({**config, **kwargs})
    randomise(model)
    model.eval()
    return model


def greenmim_config(**kwargs) -> dict:
    """A GreenMIM of 16 channels for 32-pixel units."""
    config = dict(
        type='mmgreen.GreenMIM',
        backbone=dict(
            type='mmgreen.GreenSwinTransformer', arch=TINY, window_size=7, drop_path_rate=0.0
        ),
        neck=dict(
            type='mmgreen.GreenMIMDecoder', embed_dim=128, decoder_embed_dim=32, decoder_num_heads=4
        ),
        head=dict(
            type='mmgreen.GreenMIMHead',
            norm_pix=True,
            patch_size=32,
            loss=dict(type='PixelReconstructionLoss', criterion='L2'),
        ),
    )
    return {**config, **kwargs}


def small_greenmim(**kwargs) -> nn.Module:
    """GreenMIM with drawn weights, in evaluation mode."""
    model = MODELS.build(greenmim_config(**kwargs))
    randomise(model)
    model.eval()
    return model


def finer_greenmim(unit: int, backbone_settings: dict | None = None, **kwargs) -> nn.Module:
    """A small GreenMIM for units of any size, and images of any."""
    config = greenmim_config(unit_size=unit, **kwargs)
    del config['head']['patch_size']
    config['backbone'].update(pad_small_map=True, **(backbone_settings or {}))
    model = MODELS.build(config)
    randomise(model)
    model.eval()
    return model


def timm_swin(**kwargs) -> nn.Module:
    """timm's Swin of the size of :func:`small_swin`, in evaluation mode."""
    from timm.models.swin_transformer import SwinTransformer

    config = dict(embed_dim=TINY['embed_dims'], depths=TINY['depths'], num_heads=TINY['num_heads'])
    model = SwinTransformer(**{**config, 'num_classes': 5, **kwargs})
    randomise(model)
    model.eval()
    return model


#: Twins of few channels, as many a head as in all published ones.
TWINS = {
    kind: dict(
        embed_dims=[width, width, 2 * width, 2 * width],
        depths=[2, 2, 3, 2],
        num_heads=[1, 1, 2, 2],
        patch_sizes=[4, 2, 2, 2],
        strides=[4, 2, 2, 2],
        mlp_ratios=[2, 2, 2, 2],
        sr_ratios=[8, 4, 2, 1],
        **more,
    )
    for kind, width, more in (
        ('GreenTwins', 32, dict(window_sizes=[7] * 4)),
        ('GreenPCPVT', 64, {}),
    )
}


def small_twins(kind: str = 'GreenTwins', **kwargs) -> nn.Module:
    """GreenTwins or GreenPCPVT in evaluation mode."""
    config = dict(
        type=kind,
        arch=TWINS[kind],
        norm_after_stage=[False, False, False, True],
        qkv_bias=True,
    )
    model = MODELS.build({**config, **kwargs})
    randomise(model)
    model.eval()
    return model


def mask_with(height: int, width: int, visible: list[int], num_masks: int = 1) -> torch.Tensor:
    """The mask that leaves the given units, row-major, visible."""
    mask = torch.ones(num_masks, height * width, dtype=torch.bool)
    mask[:, visible] = False
    return mask.view(num_masks, height, width)


def run_tool(script: object, *args: object, cwd: Path = ROOT) -> subprocess.CompletedProcess:
    """Run the command that a script of ``tools/`` is for (:func:`run_command`)."""
    command = re.search(r'from mmgreen\.cli\.(\w+) import', (ROOT / str(script)).read_text())[1]
    return run_command(command, *args, cwd=cwd)


def run_command(command: str, *args: object, cwd: Path = ROOT) -> subprocess.CompletedProcess:
    """Run a command of this project in this process, as a user would; never raises on its status.

    What a run leaves behind in mmengine is forgotten before and after, as if the process was new.
    """
    arguments = list(map(str, args))
    main = importlib.import_module(f'mmgreen.cli.{command.replace("-", "_")}').main
    streams = io.StringIO(), io.StringIO()
    signals = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGUSR1)}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(cwd)
        patch.setattr(sys, 'argv', [f'mmgreen {command}', *arguments])
        for name in ('stdout', 'stderr'):
            patch.setattr(sys, name, streams[name == 'stderr'])
        environment = dict(os.environ)
        _forget_runs()
        status: object = 0
        try:
            main(arguments)
        except SystemExit as ended:
            status = ended.code or 0
        except Exception:
            traceback.print_exc()
            status = 1
        if isinstance(status, str):
            print(status, file=sys.stderr)
            status = 1
        _forget_runs()
        os.environ.clear()
        os.environ.update(environment)
    for number, handler in signals.items():
        signal.signal(number, handler)
    return subprocess.CompletedProcess(args, status, *(s.getvalue() for s in streams))


def _forget_runs() -> None:
    """Loggers, message hubs, visualizers and scopes that mmengine keeps by name."""
    waiting = [ManagerMixin]
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        if '_instance_dict' in vars(kind):
            kind._instance_dict.clear()


def run_python(*args: object, cwd: Path = ROOT, timeout: int = 600) -> subprocess.CompletedProcess:
    """Run Python itself, from the start; never raises on its status."""
    command = [sys.executable, *map(str, args)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=timeout)


def run_in_terminal(*args: object) -> tuple[int, str]:
    """Run a tool whose streams are a terminal; its status, and what was shown."""
    shown, terminal = pty.openpty()
    env = os.environ | dict(TERM='xterm', COLUMNS='160')
    path = os.ttyname(terminal)
    process = Forked(list(map(str, args)), path, path, cwd=ROOT, env=env)
    text, running = b'', True
    while running:
        running = process.poll() is None
        while select.select([shown], [], [], 0.05)[0]:
            text += os.read(shown, 65536)
    os.close(terminal)
    os.close(shown)
    return process.returncode, text.decode()


class Malicious:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return Path.touch, (self.path,)


class Running:
    """A tool that goes on while a test looks at it, in a session of its own.

    Args:
        log: File that it prints to.
        *args: A script of Python, or any other program, with its arguments.
    """

    def __init__(self, log: Path, *args: object) -> None:
        self.log = log
        log.write_bytes(b'')
        command = list(map(str, args))
        env = os.environ | dict(PATH=f'{Path(sys.executable).parent}:{os.environ["PATH"]}')
        if command[0].endswith('.py'):
            self.process = Forked(command, log, log, cwd=ROOT, env=env)
        else:
            with open(log, 'a') as file:
                self.process = subprocess.Popen(
                    command,
                    cwd=ROOT,
                    stdout=file,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    env=env,
                )

    def wait_for(self, pattern: str, timeout: float = 120) -> None:
        """Wait for what it prints."""
        end = time.monotonic() + timeout
        while not re.search(pattern, self.log.read_text(errors='replace'), re.DOTALL):
            assert self.process.poll() is None, self.log.read_text(errors='replace')[-3000:]
            assert time.monotonic() < end, self.log.read_text(errors='replace')[-3000:]
            time.sleep(0.02)

    def children(self) -> list[int]:
        """Ranks of a launcher, or workers of a dataloader, oldest first."""
        command = ['pgrep', '-P', str(self.process.pid)]
        found = subprocess.run(command, capture_output=True, text=True)
        return sorted(int(number) for number in found.stdout.split())

    def end(self, timeout: float = 240) -> int:
        """Wait for the end; returns the exit status."""
        try:
            return self.process.wait(timeout)
        finally:
            for number in [*self.children(), self.process.pid]:
                with suppress(ProcessLookupError):
                    os.killpg(number, signal.SIGKILL)


def assert_same_training(work_dir: Path, other: Path, checkpoint: str) -> None:
    """Equal weights at the end, and equal losses in the logs, to the bit."""
    one, two = (
        torch.load(folder / checkpoint, weights_only=True)['state_dict']
        for folder in (work_dir, other)
    )
    for name, value in one.items():  # FlexibleRunner saves what wraps the model, too
        assert torch.equal(value, two[name.removeprefix('module.')]), name
    assert logged_losses(work_dir) == logged_losses(other)


def logged_losses(work_dir: Path) -> dict[int, float]:
    """Losses by step; of a step that was done twice, the later one."""
    found = {}
    for path in sorted(work_dir.glob('*/vis_data/scalars.json')):
        rows = (json.loads(line) for line in path.read_text().splitlines() if line.endswith('}'))
        found |= {row['step']: row['loss'] for row in rows if 'loss' in row}
    return found
