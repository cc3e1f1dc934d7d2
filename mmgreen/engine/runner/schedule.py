"""Learning rate schedules that do not go with the length of a run."""

import logging
from collections.abc import Sequence
from typing import Any

from mmengine.logging import print_log


def warn_of_schedules(schedulers: Sequence[dict[str, Any]], epochs: int | None, steps: int) -> None:
    """Say which schedules end after the run.

    A warm-up of 1,000 steps in a run of 60 never lets the rate rise, and milestones
    after the end never let it fall.

    Args:
        schedulers: The schedulers of the config.
        epochs: Epochs of the run; None where it is not counted in epochs.
        steps: Steps of the run.
    """
    for i, scheduler in enumerate(schedulers):
        by_epoch = scheduler.get('by_epoch', True)
        length, unit = (epochs, 'epochs') if by_epoch else (steps, 'steps')
        if length is None:
            continue
        kind, where = scheduler.get('type'), f'param_scheduler.{i}'
        late = [m for m in scheduler.get('milestones') or [] if m >= length]
        message = None
        if late:
            message = f'{kind} changes the learning rate at {late}, after the end'
        elif (scheduler.get('end') or 0) > length:
            message = f'{kind} goes on until {scheduler["end"]}'
        if message:
            print_log(
                f'The run has {length} {unit}, but {message} ({where}): the learning rate will not '
                'follow its whole schedule',
                logger='current',
                level=logging.WARNING,
            )
