"""A run of another length, with everything that is counted in its steps."""

from typing import Any

from mmengine.config import Config

from mmgreen.errors import UserError

_SCHEDULER_KEYS = ('begin', 'end', 'T_max', 'step_size', 'total_iters')
#: Of hooks, in steps where they are not shares of the run or epochs.
_HOOK_KEYS = ('interval', 'burn_in', 'warm_up')


def set_steps(cfg: Config, steps: int) -> None:
    """Let a run have so many steps: warm-up, decay, milestones, validations and checkpoints go with them.

    Args:
        cfg: Changed in place; its run must be counted in steps.
        steps: Length.

    Raises:
        UserError: If the run is counted in epochs, which depend on the number of images.
    """
    loop: Any = cfg.get('train_cfg') or {}
    if not loop.get('max_iters'):
        raise UserError(
            f'{cfg.filename} counts its run in epochs, and what is asked for are steps: it needs train_cfg of '
            'type IterBasedTrainLoop'
        )
    factor = steps / loop.max_iters

    def scaled(number: float) -> int:
        return max(1, round(number * factor))

    scale_schedules(cfg, factor)
    loop.max_iters = steps
    for key in ('val_interval', 'val_begin'):
        if loop.get(key):
            loop[key] = min(steps, scaled(loop[key]))
    checkpoint: Any = (cfg.get('default_hooks') or {}).get('checkpoint') or {}
    if checkpoint.get('interval', -1) > 0:  # below it, none is saved on the way
        checkpoint.interval = scaled(checkpoint.interval)
    for hook in cfg.get('custom_hooks') or []:
        for key in _HOOK_KEYS:
            by_steps = hook.get('by_epoch') is False if key == 'interval' else hook.get(key, 0) >= 1
            if hook.get(key) and by_steps:
                hook[key] = scaled(hook[key])


def scale_schedules(cfg: Config, factor: float, epochs: bool = True) -> None:
    """Let schedules of a run take another number of steps.

    Args:
        cfg: Changed in place.
        factor: How many times as many.
        epochs: Whether those that do not say that they are counted in steps are scaled, too.
    """
    schedulers: Any = cfg.get('param_scheduler') or []
    for scheduler in [schedulers] if 'type' in schedulers else schedulers:
        if not epochs and scheduler.get('by_epoch', True):
            continue
        for key in _SCHEDULER_KEYS:
            if scheduler.get(key):
                scheduler[key] = max(1, round(scheduler[key] * factor))
        if scheduler.get('milestones'):
            scheduler.milestones = [round(m * factor) for m in scheduler.milestones]
