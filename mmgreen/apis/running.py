"""The runner of a run, as tools and functions open it."""

import copy
import os
from pathlib import Path

from mmengine.config import Config
from mmengine.dist import is_main_process
from mmengine.runner import Runner

import mmgreen  # noqa: F401
from mmgreen.checkpoints import find_checkpoint
from mmgreen.config import around_backbone
from mmgreen.engine import (
    build_runner,
    find_batch_size,
    prepare_run,
    seconds_of_a_step,
    use_batch_size,
)
from mmgreen.recipes import use_folder


def open_run(
    cfg: Config,
    mode: str,
    checkpoint: str | None = None,
    data: str | os.PathLike | None = None,
    restartable: bool = False,
) -> Runner:
    """Check a config, complete it, and build its runner.

    Args:
        cfg: As :func:`~mmgreen.config.load_config` gives it; changed in place.
        mode: ``'train'`` or ``'test'``.
        checkpoint: What is tested: a checkpoint, a run's folder, or an ONNX file exported from one.
        data: Folder of the images, of any format that is known, instead of the config's.
        restartable: Whether to go on where a launcher has started the run again.

    Returns:
        The runner, which has not begun.

    Raises:
        UserError: If config, data or checkpoint are not right. Nothing is written then.
    """
    if data:
        use_folder(cfg, Path(data))
    known = None
    if checkpoint and checkpoint.endswith('.onnx'):
        from mmgreen.deploy import ExportedDetector, use_exported  # slow to import

        known = ExportedDetector(checkpoint).dataset_meta['classes'], checkpoint
        use_exported(cfg, checkpoint)
    elif checkpoint:
        cfg.load_from = checkpoint
    _find_checkpoints(cfg)
    if mode == 'train' and (found := find_batch_size(cfg)):
        use_batch_size(cfg, *found)
    prepare_run(cfg, mode, known)
    return build_runner(cfg, restartable)


def steps_in(cfg: Config, minutes: float, data: str | os.PathLike | None = None) -> int:
    """How many steps of a training fit into a time on this machine, by some steps that leave nothing behind.

    Args:
        cfg: As :func:`~mmgreen.config.load_config` gives it; left as it is, but for a batch size that is found.
        minutes: Of the steps; validations come on top.
        data: See :func:`open_run`.

    Raises:
        UserError: If the run is counted in epochs, or cannot be run.
    """
    trial = copy.deepcopy(cfg)
    if data:
        use_folder(trial, Path(data))
    if found := find_batch_size(trial):
        use_batch_size(trial, *found)
        use_batch_size(cfg, *found)
    seconds = seconds_of_a_step(trial)
    steps = max(1, round(60 * minutes / seconds))
    if is_main_process():  # the run's own log is not there yet
        print(
            f'{minutes:g} minutes are {steps:,} steps of {seconds:.2g} s (--steps {steps} repeats it)'
        )
    return steps


def _find_checkpoints(cfg: Config) -> None:
    """Name the files of runs whose folders were given."""
    if cfg.get('load_from'):
        cfg.load_from = find_checkpoint(cfg.load_from, last=bool(cfg.get('resume')))
    start = around_backbone(cfg.model).get('backbone', {}).get('init_cfg')
    if isinstance(start, dict) and start.get('checkpoint'):
        start.checkpoint = find_checkpoint(start.checkpoint)
