"""A detector that is trained to its end."""

import copy
from pathlib import Path

from mmengine.config import Config

from mmgreen.config import innermost, parts

from .plan import Until

# AP by which a validation must be better than the best before it, to be progress.
_PROGRESS = 0.002


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
