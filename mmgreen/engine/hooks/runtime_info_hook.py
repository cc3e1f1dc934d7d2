"""Losses and gradient norms for the log, without waiting for the device in every step."""

from collections.abc import Callable
from typing import Any

import mmengine.hooks
import torch
from mmengine.hooks import LoggerHook
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.runner import Runner
from torch import Tensor

from mmgreen.registry import HOOKS

from .readback import Readback


@HOOKS.register_module()
class RuntimeInfoHook(mmengine.hooks.RuntimeInfoHook):
    """mmengine's hook, which reads losses and gradient norms when they are logged.

    mmengine reads each number in the step that it is computed in, and a GPU has
    nothing to do meanwhile. Here they are copied, and read when the logger asks
    or some steps later. The log says the same. ``mmgreen train`` uses it in the
    place of mmengine's.
    """

    def before_train(self, runner: Runner) -> None:
        super().before_train(runner)
        self._readback = Readback()
        self._norms: dict[str, Tensor] = {}
        wrapper = runner.optim_wrapper
        wrappers = wrapper.values() if isinstance(wrapper, OptimWrapperDict) else [wrapper]
        for each in wrappers:
            if each.clip_grad_kwargs:
                each.clip_func = self._keeping_norm(each.clip_func, each)
        intervals = [hook.interval for hook in runner.hooks if isinstance(hook, LoggerHook)]
        self._interval = min(intervals, default=1)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict | None = None
    ) -> None:
        scalars = {**self._norms, **(outputs or {})}
        self._norms = {}
        tensors = {key: s for key, s in scalars.items() if isinstance(s, Tensor)}
        for key in scalars.keys() - tensors.keys():
            runner.message_hub.update_scalar(f'train/{key}', scalars[key])
        if tensors:
            self._readback.put(list(tensors), list(tensors.values()))
        logged = self.every_n_inner_iters(batch_idx, self._interval)
        last = self.end_of_epoch(runner.train_dataloader, batch_idx)
        self.flush(runner, everything=logged or last or self.is_last_train_iter(runner))

    def flush(self, runner: Runner, everything: bool = True) -> None:
        """Hand what is there to mmengine's message hub; before a save, all of it."""
        for keys, numbers in self._readback.take(everything):
            for key, number in zip(keys, numbers, strict=True):
                runner.message_hub.update_scalar(f'train/{key}', number)

    def _keeping_norm(self, clip: Callable, wrapper: OptimWrapper) -> Callable:
        """A clipping function whose result, the norm, mmengine does not see and so not read."""

        def clip_and_keep(*args: Any, **kwargs: Any) -> None:
            norm = clip(*args, **kwargs)
            if isinstance(norm, torch.Tensor):
                self._norms[wrapper.grad_name] = norm

        return clip_and_keep
