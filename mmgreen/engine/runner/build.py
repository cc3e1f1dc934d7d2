"""The runner of a config."""

import logging
import time
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.device import get_device
from mmengine.logging import MMLogger
from mmengine.registry import RUNNERS
from mmengine.runner import Runner

from .model import lay_out, unwrapped
from .processes import join_processes
from .resume import settle_start

# What is in the log file, and on a terminal hides what a person looks for.
_FOR_THE_FILE = (
    *('-' * 60, 'Config:', 'Hooks will be executed'),
    *('"FileClient" will be deprecated', '"HardDiskBackend" is the alias'),
)

# The runs of this process, by mmengine's names.
_NAMES: set[str] = set()


class _Runner(Runner):
    """mmengine's, whose environment, config and hooks are in its log file alone.

    A model that says what of it is compiled (:meth:`GreenMIM.compile`) is compiled so, and not by its whole step.
    On a CPU detectors are laid out for it (:func:`lay_out`).
    """

    def load_or_resume(self) -> None:
        super().load_or_resume()
        lay_out(self.model, get_device())  # now that a seed has drawn the same weights as on a GPU

    def build_logger(self, *args: Any, **kwargs: Any) -> MMLogger:
        logger = super().build_logger(*args, **kwargs)
        for handler in logger.handlers:
            if not isinstance(handler, logging.FileHandler):
                handler.addFilter(_is_for_people)
        return logger

    def _maybe_compile(self, target: str) -> None:
        settings = self.cfg.get('compile')
        model = unwrapped(self.model)
        if settings and hasattr(model, 'compute'):
            model.compile(**({} if settings is True else settings))
        else:
            super()._maybe_compile(target)


def _is_for_people(record: logging.LogRecord) -> bool:
    return not record.getMessage().lstrip().startswith(_FOR_THE_FILE)


def build_runner(cfg: Config, restartable: bool = False) -> Runner:
    """The runner of a config that :func:`~mmgreen.engine.prepare_run` has completed.

    Joins the processes of a distributed run, and decides what it goes on from.

    Args:
        cfg: Completed.
        restartable: See :func:`settle_start`.

    Raises:
        UserError: As :func:`join_processes` and :func:`settle_start`.
    """
    join_processes(cfg)
    passed_over = settle_start(cfg, restartable)
    # Under the config's name, mmengine would hand out the visualizer of an earlier run.
    if cfg.get('visualizer'):
        cfg.visualizer.pop('name', None)
    _wait_for_a_name_of_its_own(cfg)
    runner = RUNNERS.build(cfg) if 'runner_type' in cfg else _Runner.from_cfg(cfg)
    _NAMES.add(runner.experiment_name)
    for message in passed_over:
        runner.logger.warning(message)
    return runner


def _wait_for_a_name_of_its_own(cfg: Config) -> None:
    """Wait, a second at most, until mmengine can tell the run from all before it.

    It names a run by its config and by the second in which the run begins, and keeps loggers and
    visualizers by these names: a run of the same name would write into the files of the first.
    """
    name = cfg.get('experiment_name') or Path(cfg.filename or '').stem
    while '_'.join(filter(None, [name, time.strftime('%Y%m%d_%H%M%S')])) in _NAMES:
        time.sleep(0.02)
