"""A progress bar on a terminal; elsewhere the log lines are enough."""

import atexit
import logging
import sys
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import IterBasedTrainLoop, Runner
from rich.console import Console
from rich.file_proxy import FileProxy
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from mmgreen.registry import HOOKS


@HOOKS.register_module()
class ProgressBarHook(Hook):
    """Show images/s, memory, loss and the time left, below the log.

    Does nothing where standard output is not a terminal.
    ``mmgreen train`` and ``mmgreen test`` add it to every run.
    """

    # After whatever logs: the bar shows what was logged.
    priority = 'LOW'

    def before_run(self, runner: Runner) -> None:
        self._progress: Progress | None = None
        if not (sys.stdout.isatty() and is_main_process()):
            return
        console = Console(file=sys.stdout)
        self._progress = Progress(
            TextColumn('{task.description}'),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn('{task.fields[state]}'),
            TimeRemainingColumn(compact=True),
            console=console,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        # Lines of the log go above the bar.
        self._handlers = [
            handler
            for handler in runner.logger.handlers
            if type(handler) is logging.StreamHandler and handler.stream is sys.stdout
        ]
        for handler in self._handlers:
            handler.setStream(FileProxy(console, sys.stdout))
        self._progress.start()
        atexit.register(self._stop)  # a run that fails must give the cursor back

    def before_train(self, runner: Runner) -> None:
        self._show('train', runner.max_iters, runner.iter)

    def _before_epoch(self, runner: Runner, mode: str = 'train') -> None:
        if mode != 'train':
            self._show(mode, len(getattr(runner, f'{mode}_dataloader')))

    def _after_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Any = None,
        mode: str = 'train',
    ) -> None:
        if mode != 'train':
            self._advance(mode)
            return
        scalars = runner.message_hub.log_scalars
        parts = []
        for key, words in (
            ('images_per_s', '{:.1f} images/s'),
            ('memory', '{:.0f} MiB'),
            ('loss', 'loss {:.4f}'),
        ):
            if f'train/{key}' in scalars:
                parts.append(words.format(scalars[f'train/{key}'].current()))
        by_steps = isinstance(runner.train_loop, IterBasedTrainLoop)  # of one epoch, by mmengine
        name = 'train' if by_steps else f'epoch {runner.epoch + 1}/{runner.max_epochs}'
        self._advance(name, '  '.join(parts))

    def _after_epoch(self, runner: Runner, mode: str = 'train') -> None:
        if mode != 'train' and self._progress is not None:
            self._progress.remove_task(self._progress.task_ids[-1])

    def after_run(self, runner: Runner) -> None:
        self._stop()

    def _show(self, name: str, total: int, completed: int = 0) -> None:
        if self._progress is not None:
            self._progress.add_task(name, total=total, completed=completed, state='')

    def _advance(self, name: str, state: str = '') -> None:
        if self._progress is not None:
            task = self._progress.task_ids[-1]
            self._progress.update(task, advance=1, description=name, state=state)

    def _stop(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            for handler in self._handlers:
                handler.setStream(sys.stdout)
            self._progress = None
            atexit.unregister(self._stop)
