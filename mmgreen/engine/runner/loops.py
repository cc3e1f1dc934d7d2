"""mmengine's training loops, begun anywhere."""

from collections.abc import Generator
from typing import Any

from mmengine.dataset import InfiniteSampler
from mmengine.runner import BaseLoop, EpochBasedTrainLoop, IterBasedTrainLoop, Runner
from torch import nn
from torch.utils.data import DataLoader

from mmgreen.errors import UserError
from mmgreen.registry import LOOPS

from .resumable_loader import ResumableLoader
from .schedule import warn_of_schedules


class _ResumableLoop(BaseLoop):
    """To be inherited from before a loop of mmengine's: its batches begin anywhere."""

    runner: Runner

    def __init__(self, runner: Runner, dataloader: DataLoader | dict, *args, **kwargs) -> None:
        super().__init__(runner, dataloader, *args, **kwargs)
        self.dataloader = ResumableLoader(self.dataloader, runner.cfg.randomness.seed)
        _check_steps(self.dataloader, isinstance(self, IterBasedTrainLoop))
        self._batches: Generator[Any, None, None] | None = None

    def run(self) -> nn.Module:
        try:
            return super().run()
        except (Exception, KeyboardInterrupt):
            # Not SystemExit: a process that leaves heeds signals until it is gone.
            for hook in self.runner.hooks:
                if hasattr(hook, 'give_back'):  # signals, of PreemptionHook
                    hook.give_back()
            raise
        finally:
            if self._batches is not None:
                self._batches.close()
            self.dataloader.close()

    def __next__(self) -> Any:
        if self._batches is None:
            self._batches = iter(self.dataloader)
        return next(self._batches)


@LOOPS.register_module()
class ResumableEpochLoop(_ResumableLoop, EpochBasedTrainLoop):
    """mmengine's loop over epochs, which may begin in the middle of one.

    Attributes:
        position: Batches of the first epoch to pass over; set on resume.
    """

    def __init__(self, runner: Runner, dataloader: DataLoader | dict, *args, **kwargs) -> None:
        super().__init__(runner, dataloader, *args, **kwargs)
        warn_of_schedules(_schedulers(runner), self._max_epochs, self._max_iters)
        self.position = 0

    def run_epoch(self) -> None:
        self.runner.call_hook('before_train_epoch')
        self.runner.model.train()
        start, self.position = self.position, 0
        if self._batches is None:
            left = (self._max_epochs - self._epoch) * len(self.dataloader) - start
            self.dataloader.seek(start, self._iter, self._epoch, self._iter + left)
        for idx in range(start, len(self.dataloader)):
            self.run_iter(idx, next(self))

        self.runner.call_hook('after_train_epoch')
        self._epoch += 1


@LOOPS.register_module()
class ResumableIterLoop(_ResumableLoop, IterBasedTrainLoop):
    """mmengine's loop over iterations, whose data begin anywhere.

    Attributes:
        position: Batches to pass over; set on resume, by default as many as steps.
    """

    def __init__(self, runner: Runner, dataloader: DataLoader | dict, *args, **kwargs) -> None:
        super().__init__(runner, dataloader, *args, **kwargs)
        warn_of_schedules(_schedulers(runner), None, self._max_iters)
        self.dataloader.seek(until=self._max_iters)
        self.dataloader_iterator = self
        self.position: int | None = None

    def skip_iter(self, num_iters: int) -> None:
        """Pass over what was trained on, in the place of mmengine's way."""
        passed = num_iters if self.position is None else self.position
        self.dataloader.seek(passed, num_iters, until=self._max_iters)


def _schedulers(runner: Runner) -> list[dict]:
    found: Any = runner.cfg.get('param_scheduler') or []
    return [found] if 'type' in found else [s for s in found if isinstance(s, dict)]


def _check_steps(loader: DataLoader, by_steps: bool) -> None:
    """Refuse a run that would end without a step, and save a model that has learnt nothing."""
    sampler: Any = loader.batch_sampler
    dataset: Any = loader.dataset
    # A sampler without end fills a batch with few images, too, one after another.
    endless = by_steps and isinstance(sampler.sampler, InfiniteSampler)
    if not len(sampler) and not (endless and len(dataset)):
        raise UserError(
            f'there is nothing to train on: {len(dataset)} images make no batch of '
            f'{sampler.batch_size}; lower train_dataloader.batch_size, or look at what '
            'the dataset leaves out'
        )
