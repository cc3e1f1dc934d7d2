"""A run of another length, with everything that is counted in its steps."""

from typing import Any

from mmengine.config import Config

from mmgreen.errors import UserError

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
