"""Steps that would spoil the weights are named and skipped."""

import math
from dataclasses import dataclass
from typing import Any

import torch
from mmengine.dist import all_gather_object, get_rank
from mmengine.hooks import Hook
from mmengine.optim import OptimWrapperDict
from mmengine.runner import Runner
from torch import Tensor
from torch.optim import Optimizer

from mmgreen.errors import UserError
from mmgreen.registry import HOOKS

from .readback import Readback

#: How many steps in a row may be skipped before training stops.
LIMIT = 10


@dataclass(frozen=True)
class _Step:
    """A step whose numbers are on their way.

    Attributes:
        number: Number of the step, from 1.
        images: Paths.
        flags: How many optimizers were asked to step.
        updates: Whether gradients were not just accumulated.
    """

    number: int
    images: list[str]
    flags: int
    updates: bool


@HOOKS.register_module()
class WatchHook(Hook):
    """Skip steps whose loss or gradient is not finite, and stop after ten in a row.

    A skipped step leaves weights and optimizer as they are. The log names the
    step, and rank and images where the loss was not finite; where it was finite
    everywhere, the images of all ranks. A gradient that overflows under a
    dynamic loss scale is the scaler's affair, which lowers the scale, until the
    scale is below 1.

    On a GPU, a fused optimizer (Adam, AdamW) skips the step by itself, and the
    host reads of it two steps later: nothing waits. Another optimizer waits for
    the verdict. Costs a norm of the gradients before each step.
    ``mmgreen train`` adds the hook to every run.

    Raises:
        UserError: After ten steps in a row; the last good checkpoint is named.
    """

    # Before whatever saves.
    priority = 'ABOVE_NORMAL'

    def before_train(self, runner: Runner) -> None:
        wrapper = runner.optim_wrapper
        self._wrappers = (
            list(wrapper.values()) if isinstance(wrapper, OptimWrapperDict) else [wrapper]
        )
        self._readback = Readback()
        self._finite: list[Tensor] = []  # of each optimizer's step since the last look
        self._suspects: list[tuple[int, int, float, list[str]]] = []
        self._in_a_row = 0
        for wrapper in self._wrappers:
            wrapper.optimizer.register_step_pre_hook(self._before_step)
            wrapper.optimizer.register_step_post_hook(self._after_step)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        updates = any(wrapper.should_update() for wrapper in self._wrappers)
        step = _Step(runner.iter + 1, _images(data_batch), len(self._finite), updates)
        self._readback.put(step, [outputs['loss'], *self._finite])
        self._finite = []
        for step, numbers in self._readback.take():
            self._look(runner, step, numbers)

    def after_train_epoch(self, runner: Runner) -> None:
        for step, numbers in self._readback.take(everything=True):
            self._look(runner, step, numbers)

    def after_train(self, runner: Runner) -> None:
        self.after_train_epoch(runner)  # iteration-based training has no epochs

    def _look(self, runner: Runner, step: _Step, numbers: list[float]) -> None:
        loss, *finite = numbers
        here = (step.number, get_rank(), loss, step.images)
        if not math.isfinite(loss):
            self._suspects.append(here)
        if not step.updates:
            return  # gradients are being accumulated
        suspects, self._suspects = self._suspects, []
        # Where a loss scaler found the gradient not finite, it may take no step at all.
        if step.flags and all(finite):
            self._in_a_row = 0
            return

        # All processes come here together: what is not finite in one of them is not finite in
        # any after the gradients are added up.
        found = all_gather_object((suspects, here))
        guilty = [suspect for suspects, _ in found for suspect in suspects]
        if not guilty and self._is_scaled():
            return
        message = 'the loss is not finite' if guilty else 'the gradient is not finite'
        message += ': ' + '; '.join(
            f'step {step}, rank {rank}, loss {loss:g}, images {", ".join(images) or "unknown"}'
            for step, rank, loss, images in guilty or [here for _, here in found]
        )
        self._in_a_row += 1
        if self._in_a_row == LIMIT:
            good = runner.message_hub.get_info('last_ckpt') or runner._load_from
            raise UserError(
                f'{message}; it is the {LIMIT}th step in a row, so training stops; '
                + (f'the last good checkpoint is {good}' if good else 'no checkpoint was saved yet')
                + '; lower the learning rate, clip gradients (optim_wrapper.clip_grad), or look at '
                'the images'
            )
        runner.logger.warning(f'Step skipped ({self._in_a_row} in a row), since {message}')

    def _before_step(self, optimizer: Optimizer, args: tuple, kwargs: dict) -> None:
        gradients = [
            parameter.grad
            for group in optimizer.param_groups
            for parameter in group['params']
            if parameter.grad is not None
        ]
        # Unlike the sum of squares, neither overflows by itself; that of magnitudes would in half
        # precision, and takes a CPU a third of the time that it takes for the largest one.
        on_cpu = all(g.device.type == 'cpu' and g.dtype != torch.half for g in gradients)
        size = torch.nn.utils.get_total_norm(gradients, norm_type=1 if on_cpu else torch.inf)
        finite = torch.isfinite(size)
        if _skips_by_itself(optimizer):
            found = (~finite).float()
            scalers = getattr(optimizer, 'found_inf', None)  # of the loss scaler, for this step
            optimizer.found_inf = found if scalers is None else torch.maximum(found, scalers)
            finite = optimizer.found_inf == 0
        elif not finite:
            optimizer.zero_grad(set_to_none=True)  # an optimizer passes over what has none
        self._finite.append(finite)

    def _after_step(self, optimizer: Optimizer, args: tuple, kwargs: dict) -> None:
        if hasattr(optimizer, 'found_inf'):
            optimizer.found_inf = None

    def _is_scaled(self) -> bool:
        scalers = [getattr(wrapper, 'loss_scaler', None) for wrapper in self._wrappers]
        return any(s is not None and s.is_enabled() and s.get_scale() >= 1 for s in scalers)


def _skips_by_itself(optimizer: Optimizer) -> bool:
    """Whether an optimizer's kernels leave everything as it is where ``found_inf`` is 1.

    Fused Adam does. Fused SGD leaves the momentum of a first step that is skipped
    as it found the memory.
    """
    fused = all(group.get('fused') for group in optimizer.param_groups)
    return fused and isinstance(optimizer, torch.optim.Adam | torch.optim.AdamW)


def _images(data_batch: Any) -> list[str]:
    samples = data_batch.get('data_samples') if isinstance(data_batch, dict) else None
    return [str(getattr(sample, 'img_path', 'unknown')) for sample in samples or ()]
