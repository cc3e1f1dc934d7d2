"""A run goes on with another number of images in a step."""

import logging
from typing import Any

from mmengine.logging import print_log
from mmengine.runner import Runner

#: What schedulers of mmengine count in steps, of their settings.
_LENGTHS = (
    *('begin', 'end', 'total_iters', 'T_max', 'step_size', 'milestones', 'total_steps'),
    *('periods', 'cumulative_periods', '_schedule_phases'),
)
#: And of their state.
_COUNTS = ('last_step', '_global_step')


def rescale_steps(runner: Runner, checkpoint: dict[str, Any], batches: int) -> None:
    """Count what a checkpoint has done in steps of this run, which is counted in epochs.

    Epochs have other numbers of steps now. Schedules that are written in epochs and followed in steps
    (``convert_to_iter_based``) go on at the same share of their length; those that are written in steps, such as a
    warm-up, go on where they were.

    Args:
        runner: With loop and schedulers.
        checkpoint: Changed in place.
        batches: How many batches of its epoch were trained on, in those of this run.
    """
    meta = checkpoint['meta']
    before, now = meta['iter'], meta['epoch'] * len(runner.train_dataloader) + batches
    meta['iter'] = now
    settings: Any = runner.cfg.get('param_scheduler') or []
    states = checkpoint.get('param_schedulers') or []
    if not isinstance(settings, dict) and isinstance(states, list):
        for setting, state in zip(settings, states, strict=False):
            if setting.get('convert_to_iter_based'):
                for key in _LENGTHS:
                    state.pop(key, None)
                for key in state.keys() & set(_COUNTS):
                    state[key] += now - before
    print_log(
        f'A step has another number of images than in the checkpoint: its {before} steps are counted as {now}, and '
        'schedules of the learning rate that are written in epochs go on at the same place. The rate itself is that of '
        'the checkpoint.',
        logger='current',
        level=logging.WARNING,
    )
