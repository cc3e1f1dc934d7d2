"""How long a step takes, measured before a run."""

import copy
import tempfile
import time
from typing import Any

import torch
from mmengine.config import Config
from mmengine.dist import broadcast_object_list
from mmengine.hooks import Hook

from mmgreen.engine.hooks.summary_hook import FEW, FIRST
from mmgreen.errors import UserError

from .build import build_runner
from .prepare import prepare_run


class _Clock(Hook):
    """When each step has ended."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def after_train_iter(self, *args: Any, **kwargs: Any) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.times.append(time.perf_counter())


def seconds_of_a_step(cfg: Config) -> float:
    """Train for a few steps that leave nothing behind.

    Args:
        cfg: As :func:`~mmgreen.config.load_config` gives it, with where its data are; left as it is.

    Returns:
        Seconds of a step, loading included; the same in all processes.

    Raises:
        UserError: If the run is counted in epochs, or cannot be run.
    """
    if not cfg.train_cfg.get('max_iters'):
        raise UserError(
            f'{cfg.filename} counts its run in epochs: give it train_cfg of type IterBasedTrainLoop'
        )
    times = try_steps(cfg, FIRST + FEW)
    found = [(times[-1] - times[FIRST - 1]) / FEW]
    broadcast_object_list(found)
    return found[0]


def try_steps(cfg: Config, steps: int, **train_dataloader: Any) -> list[float]:
    """Train for some steps that leave nothing behind.

    Args:
        cfg: As :func:`~mmgreen.config.load_config` gives it, with where its data are; left as it is.
        steps: How many.
        **train_dataloader: Its settings that are others.

    Returns:
        When each has ended, in seconds.

    Raises:
        UserError: If the run cannot be run.
    """
    trial: Any = copy.deepcopy(cfg)
    trial.train_dataloader.update(train_dataloader)
    trial.train_cfg = dict(type='IterBasedTrainLoop', max_iters=steps)
    trial.param_scheduler = None
    trial.val_cfg = trial.val_dataloader = trial.val_evaluator = None
    trial.custom_hooks = []
    trial.default_hooks = dict(
        checkpoint=dict(type='CheckpointHook', interval=-1, save_last=False, by_epoch=False),
        logger=dict(type='LoggerHook'),
    )
    trial.resume, trial.load_from = False, None
    trial.log_level = 'ERROR'
    with tempfile.TemporaryDirectory() as folder:
        trial.work_dir = folder
        prepare_run(trial, 'train')
        runner = build_runner(trial)
        clock = _Clock()
        runner.register_hook(clock, priority='LOWEST')
        runner.train()
    return clock.times
