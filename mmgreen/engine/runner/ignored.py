"""Settings of a config that a resumed run does not take."""

from collections.abc import Iterator
from typing import Any

from mmengine.optim import OptimWrapper
from mmengine.runner import Runner

# What a config says of an optimizer.
_OF_OPTIMIZER = ('betas', 'momentum', 'weight_decay', 'eps')
# How far a schedule has come, and what follows from it.
_PROGRESS = ('last_step', '_global_step', '_last_value', 'base_values', 'verbose')


def ignored_settings(runner: Runner, checkpoint: dict[str, Any]) -> Iterator[str]:
    """Say which settings of schedules and optimizer are others than the saved ones.

    mmengine restores both as they were saved, so that a longer schedule or another
    learning rate in the config of a resumed run has no effect.

    Args:
        runner: A runner that is built from the config.
        checkpoint: The checkpoint as it was read, before it is restored.
    """
    schedules = runner.param_schedulers
    saved = checkpoint.get('param_schedulers')
    if isinstance(schedules, list) and isinstance(saved, list):
        for i, (schedule, state) in enumerate(zip(schedules, saved, strict=False)):
            here = {k: v for k, v in vars(schedule).items() if k not in _PROGRESS}
            yield from _differences(f'param_scheduler.{i}.', here, state)
    if isinstance(runner.optim_wrapper, OptimWrapper):
        groups = runner.optim_wrapper.optimizer.param_groups
        old = (checkpoint.get('optimizer') or {}).get('param_groups') or []
        if groups and old:
            rate = 'initial_lr' if 'initial_lr' in groups[0] else 'lr'  # without schedules
            here = {k: groups[0][k] for k in (rate, *_OF_OPTIMIZER) if k in groups[0]}
            yield from _differences('optim_wrapper.optimizer.', here, old[0])


def _differences(where: str, here: dict[str, Any], saved: dict[str, Any]) -> Iterator[str]:
    for key, value in here.items():
        plain = isinstance(value, int | float | str | list | tuple)
        if plain and key in saved and _comparable(saved[key]) != _comparable(value):
            name = 'lr' if key == 'initial_lr' else key
            yield f'{where}{name} is {value} in the config and {saved[key]} in the checkpoint'


def _comparable(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
