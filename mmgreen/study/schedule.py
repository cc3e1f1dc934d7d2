"""A run of another length, with everything that is counted in its steps."""

import copy
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmgreen.config import innermost, parts
from mmgreen.errors import UserError

from .plan import Until

# AP by which a validation must be better than the best before it, to be progress.
_PROGRESS = 0.002
_SCHEDULER_KEYS = ('begin', 'end', 'T_max', 'step_size', 'total_iters')


def set_steps(cfg: Config, steps: int) -> None:
    """Let a run have so many steps: its warm-up, decay and milestones go with them.

    Validation comes at the end.

    Args:
        cfg: Changed in place; its run must be counted in steps.
        steps: Length.

    Raises:
        UserError: If the run is counted in epochs, which depend on the number of images.
    """
    loop = cfg.train_cfg
    if not loop.get('max_iters'):
        raise UserError(
            f'{cfg.filename} counts its run in epochs: a study needs train_cfg of type '
            'IterBasedTrainLoop, so that few images are trained on for as long as many'
        )
    factor = steps / loop.max_iters
    schedulers: Any = cfg.get('param_scheduler') or []
    for scheduler in [schedulers] if 'type' in schedulers else schedulers:
        for key in _SCHEDULER_KEYS:
            if scheduler.get(key):
                scheduler[key] = max(1, round(scheduler[key] * factor))
        if scheduler.get('milestones'):
            scheduler.milestones = [round(m * factor) for m in scheduler.milestones]
    loop.max_iters = steps
    if cfg.get('val_cfg'):
        loop.val_interval = steps
    checkpoint = cfg.default_hooks.checkpoint
    checkpoint.interval = max(1, round(checkpoint.interval * factor))
    for hook in cfg.get('custom_hooks') or []:
        if hook.get('by_epoch') is False and 'interval' in hook:
            hook.interval = max(1, round(hook.interval * factor))


def end_where_nothing_is_gained(cfg: Config, until: Until, held_out: Path) -> str:
    """Let a detector's run end where its AP on images that are held out rises no more.

    The rate is the whole one after its warm-up, and a tenth of it after some validations without progress.
    The best checkpoint is kept.

    Args:
        cfg: Changed in place.
        until: When nothing is gained.
        held_out: Annotations of images of the training's folder.

    Returns:
        Name of the figure that is watched.
    """
    _, trained = next(parts(cfg.train_dataloader.dataset))
    cfg.val_dataloader = copy.deepcopy(cfg.test_dataloader)
    _, dataset = innermost(cfg.val_dataloader.dataset)
    dataset.update(
        {key: trained[key] for key in ('data_root', 'data_prefix') if key in trained},
        ann_file=str(held_out.resolve()),
    )
    cfg.val_evaluator = dict(cfg.test_evaluator, ann_file=str(held_out.resolve()))
    cfg.train_cfg.val_interval = until.interval
    kinds = cfg.val_evaluator.get('metric') or ['bbox']
    best = 'coco/segm_mAP' if 'segm' in kinds else 'coco/bbox_mAP'
    rises = [s for s in cfg.param_scheduler if s.type == 'LinearLR']
    falls = dict(
        type='ReduceOnPlateauLR',
        monitor=best,
        rule='greater',
        factor=0.1,
        patience=until.patience - 1,
        threshold=_PROGRESS,
    )
    cfg.param_scheduler = [*rises, falls]
    cfg.default_hooks.logger.log_metric_by_epoch = False  # the steps of validations are looked at
    cfg.default_hooks.checkpoint.update(
        interval=until.interval, max_keep_ckpts=1, save_best=best, rule='greater'
    )
    stop = dict(
        type='EarlyStoppingHook',
        monitor=best,
        rule='greater',
        min_delta=_PROGRESS,
        patience=2 * until.patience,
    )
    cfg.custom_hooks = [*(cfg.get('custom_hooks') or []), stop]
    return best
