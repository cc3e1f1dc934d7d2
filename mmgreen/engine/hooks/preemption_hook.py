"""Make room when the scheduler asks for it: save, and leave."""

import os
import signal
import time
from types import FrameType
from typing import Any

import torch
import torch.distributed as dist
from mmengine.dist import get_world_size
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmgreen.engine.runner.processes import process_timeout
from mmgreen.errors import UserError
from mmgreen.registry import HOOKS

from .checkpoint_hook import CheckpointHook

#: Exit status of a run that has saved and wants to be started again with
#: ``--resume``: EX_TEMPFAIL of sysexits.h. ``tools/slurm_train.sh`` requeues on it.
REQUEUE = os.EX_TEMPFAIL

SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)

# Of what a person stopped, as a shell has it.
_STOPPED = 128 + signal.SIGINT

# A launcher passes on what its processes are sent anyway: within this many seconds that is
# one signal, not two.
_SAME = 1.0


@HOOKS.register_module()
class PreemptionHook(Hook):
    """On SIGTERM, SIGUSR1 or Ctrl-C in any process, save after a step and exit in all of them.

    Alone, that is the step in which the signal comes. Among several processes
    it is the one after: they tell each other while they work on it, so that no
    step waits for it. The exit status is 75; after Ctrl-C it is 130, and a process alone raises
    :class:`KeyboardInterrupt`, as a notebook wants it. A second signal, a second or more later, ends the
    process at once. ``mmgreen train`` adds the hook to every run.
    """

    # After the checkpoint hook, which knows the random states then.
    priority = 'LOWEST'
    _previous: dict[signal.Signals, Any] = {}

    def before_train(self, runner: Runner) -> None:
        self._signalled: float | None = None
        self._by_hand = False
        self._process = os.getpid()
        self._told: tuple[dist.Work, torch.Tensor] | None = None
        self._previous = {number: signal.signal(number, self._receive) for number in SIGNALS}
        # On the CPU, beside NCCL: nothing waits for the GPU.
        self._group = None
        if get_world_size() > 1:
            try:
                self._group = dist.new_group(timeout=process_timeout(runner.cfg), backend='gloo')
            except RuntimeError as error:
                raise UserError(
                    'the processes cannot reach each other by gloo, most likely because the name of this '
                    "machine stands for the loopback address: set GLOO_SOCKET_IFNAME to the network's "
                    f'interface, such as eth0 ({str(error).splitlines()[0]})'
                ) from error

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        if self._agreed() and self._nothing_held(runner):
            self._save_and_exit(runner)

    def give_back(self) -> None:
        """Let signals do again what they did before the training."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}

    def after_train(self, runner: Runner) -> None:
        self.give_back()
        if self._told is not None:
            self._told[0].wait()

    def _receive(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self._signalled is None:
            self._signalled, self._by_hand = now, number == signal.SIGINT
            # Not in loading processes, which a terminal sends the signal, too.
            if self._by_hand and os.getpid() == self._process:
                os.write(2, b'\nStops after this step, and saves; Ctrl-C again ends it at once.\n')
        elif number == signal.SIGINT and now - self._signalled > _SAME:
            raise KeyboardInterrupt
        elif now - self._signalled > _SAME:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    def _agreed(self) -> bool:
        """Whether all processes know that one of them was signalled."""
        mine = self._signalled is not None
        if self._group is None:
            return mine
        any_before = False
        if self._told is not None:
            work, flag = self._told
            work.wait()
            any_before = bool(flag)
        flag = torch.tensor(mine or any_before, dtype=torch.uint8)
        self._told = dist.all_reduce(flag, dist.ReduceOp.MAX, self._group, async_op=True), flag
        return any_before

    def _nothing_held(self, runner: Runner) -> bool:
        """Whether no gradient is being accumulated, which a checkpoint would not hold."""
        wrapper = runner.optim_wrapper
        return (
            getattr(wrapper, '_inner_count', 0) % getattr(wrapper, '_accumulative_counts', 1) == 0
        )

    def _save_and_exit(self, runner: Runner) -> None:
        hooks = [hook for hook in runner.hooks if isinstance(hook, CheckpointHook)]
        for hook in hooks:
            hook.save_now(runner)
        if self._group is not None:
            dist.barrier(self._group)  # a launcher kills the others when the first one leaves
        saved = f'saved {hooks[0].last_ckpt}' if hooks else 'nothing saved: no CheckpointHook'
        status = _STOPPED if self._by_hand else REQUEUE
        runner.logger.warning(
            f'Asked to stop by {"Ctrl-C" if self._by_hand else "a signal"}: {saved} after step '
            f'{runner.iter + 1}; --resume goes on from there (exit status {status})'
        )
        # What is left is leaving, which Ctrl-C may end; in a notebook the process stays.
        signal.signal(signal.SIGINT, self._previous.pop(signal.SIGINT))
        if self._by_hand and self._group is None:
            raise KeyboardInterrupt
        raise SystemExit(status)
