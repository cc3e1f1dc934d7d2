"""How long a run will take."""

import time
from datetime import timedelta
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmgreen.registry import HOOKS

#: Steps that it is told from, after those in which everything is slow.
FEW, FIRST = 10, 2


@HOOKS.register_module()
class LengthHook(Hook):
    """Say after some steps how long the run will take on this machine.

    ``mmgreen train`` adds it to every run.
    """

    def before_train(self, runner: Runner) -> None:
        self._passed = 0

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        self._passed += 1
        if self._passed == FIRST:
            self._begun = time.perf_counter()
        if self._passed != FIRST + FEW:
            return
        pace = (time.perf_counter() - self._begun) / FEW
        left = runner.max_iters - runner.iter - 1
        took = timedelta(seconds=max(1, round(left * pace)))
        loop: Any = runner.train_loop
        by_epoch = runner.max_epochs > 1
        validations = 0
        if runner.val_loop is not None and loop.val_interval:
            done = runner.epoch if by_epoch else runner.iter
            whole = runner.max_epochs if by_epoch else runner.max_iters
            validations = -(-whole // loop.val_interval) - done // loop.val_interval
        text = f'{left} more steps of {pace:.2g} s: about {took}'
        if validations:
            text += f', and what {validations} validation{"s" * (validations > 1)} take'
        runner.logger.info(text)
