"""The runner of a run, as tools and functions open it."""

import os
from pathlib import Path

from mmengine.config import Config
from mmengine.runner import Runner

import mmgreen  # noqa: F401
from mmgreen.engine import build_runner, prepare_run
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
        checkpoint: What is tested: a checkpoint, or an ONNX file exported from one.
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
    prepare_run(cfg, mode, known)
    return build_runner(cfg, restartable)
