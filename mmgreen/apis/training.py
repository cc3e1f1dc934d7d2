"""Training from Python, by the same way as ``mmgreen train``."""

import os
from pathlib import Path

from mmengine.config import Config

from mmgreen.config import around_backbone, load_config, resume_from
from mmgreen.engine import own_scope
from mmgreen.errors import UserError

from .running import open_run


def pretrain(
    config: str | os.PathLike | Config,
    work_dir: str | os.PathLike | None = None,
    cfg_options: dict | None = None,
    resume: bool = False,
    data: str | os.PathLike | None = None,
) -> Path:
    """Pre-train a backbone.

    Args:
        config: Pre-training config.
        work_dir: Folder for logs and checkpoints; by default the config's.
        cfg_options: Settings to change, by dotted names, such as
            ``{'data_root': 'images/', 'train_cfg.max_epochs': 10}``.
        resume: Go on from the last checkpoint in the work dir, if there is one.
        data: Folder of the images, of any format that is known, instead of the config's.

    Returns:
        The last checkpoint.

    Raises:
        UserError: If config, data or checkpoint are not right.
    """
    return _train(config, work_dir, cfg_options, resume, data)[0]


def _train(
    config: str | os.PathLike | Config,
    work_dir: str | os.PathLike | None,
    cfg_options: dict | None,
    resume: bool,
    data: str | os.PathLike | None,
) -> tuple[Path, Path | None]:
    """The last checkpoint, and the best one where the config keeps one."""
    cfg = load_config(config, cfg_options, work_dir)
    if resume:
        resume_from(cfg, 'auto')
    with own_scope(cfg):
        runner = open_run(cfg, 'train', data=data)
        runner.train()
    last = Path(runner.work_dir, 'last_checkpoint')
    if not last.is_file():
        raise UserError(
            f'the run of {cfg.filename} has saved no checkpoint: lower '
            'default_hooks.checkpoint.interval'
        )
    best = runner.message_hub.get_info('best_ckpt')
    return Path(last.read_text()), Path(best) if best and os.path.isfile(best) else None


def finetune(
    config: str | os.PathLike | Config,
    checkpoint: str | os.PathLike | None = None,
    work_dir: str | os.PathLike | None = None,
    cfg_options: dict | None = None,
    resume: bool = False,
    data: str | os.PathLike | None = None,
) -> Path:
    """Train a detector, or any other model with a backbone, from a pre-trained one.

    Args:
        config: Its config.
        checkpoint: What the backbone starts from, in any format that
            ``model.backbone.init_cfg`` takes; by default as the config says.
        work_dir: See :func:`pretrain`.
        cfg_options: See :func:`pretrain`.
        resume: See :func:`pretrain`.
        data: See :func:`pretrain`.

    Returns:
        The best checkpoint where the config keeps one (``save_best``), or else the last.

    Raises:
        UserError: If config, data or checkpoint are not right.
    """
    cfg = load_config(config, cfg_options, work_dir)
    if checkpoint is not None:
        start = dict(type='Pretrained', checkpoint=str(checkpoint))
        around_backbone(cfg.model).backbone.init_cfg = start
    last, best = _train(cfg, work_dir, None, resume, data)
    return best or last
