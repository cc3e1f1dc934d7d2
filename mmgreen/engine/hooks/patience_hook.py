"""How long processes wait for one that is silent: less in steps than where the first one evaluates."""

from datetime import timedelta
from typing import Any

import torch.distributed as torch_dist
from mmengine.dist import is_distributed
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmgreen.engine.runner.processes import process_timeout
from mmgreen.registry import HOOKS

try:
    _set_timeout = torch_dist.set_timeout
except AttributeError:  # before torch 2.14
    _set_timeout = torch_dist.distributed_c10d._set_pg_timeout


@HOOKS.register_module()
class PatienceHook(Hook):
    """Gives a silent process up sooner in training steps than elsewhere.

    A process that hangs in a step would otherwise idle all others for the half an hour
    (``env_cfg.dist_cfg.timeout``) that the evaluation of COCO may take. The first step after a beginning, an epoch or a
    validation has the long time, too: processes then load, compile or save, the first one more than others.
    ``mmgreen train`` adds the hook to every run.

    Args:
        seconds: How long processes wait for each other in steps, at most ``env_cfg.dist_cfg.timeout``.
    """

    priority = 'VERY_LOW'

    def __init__(self, seconds: float = 300) -> None:
        self.seconds = seconds
        self._is_short = False

    def before_train(self, runner: Runner) -> None:
        self._wait(runner, short=False)

    def after_train_iter(self, runner: Runner, *args: Any, **kwargs: Any) -> None:
        if not self._is_short:
            self._wait(runner, short=True)

    def after_train_epoch(self, runner: Runner) -> None:
        self._wait(runner, short=False)

    def before_val_epoch(self, runner: Runner) -> None:
        self._wait(runner, short=False)

    def after_train(self, runner: Runner) -> None:
        self._wait(runner, short=False)

    def _wait(self, runner: Runner, short: bool) -> None:
        self._is_short = short
        if is_distributed():
            usual = process_timeout(runner.cfg)
            _set_timeout(min(usual, timedelta(seconds=self.seconds)) if short else usual)
