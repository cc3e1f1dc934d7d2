"""Devices that step together and loaders that keep them supplied, simulated."""

import math
from collections.abc import Sequence

import numpy as np

# Batches that PyTorch's loader has a worker load ahead.
_PREFETCH = 2
# Steps that are simulated; the first half of them is left out.
_STEPS = 400
# Share of the time that devices may wait and still be called supplied.
_LITTLE = 0.01


def share_waiting(
    batch_seconds: Sequence[float], step_seconds: float, workers: int, devices: int
) -> float:
    """Share of their time that devices wait for images.

    Each device has workers of its own, whose batches it takes in turn, and a step begins when all
    devices have theirs, as gradients are summed over all. Nothing else is in a step than its time.

    Args:
        batch_seconds: How long a worker takes for a batch, as measured; drawn from at random.
        step_seconds: How long a device takes for one.
        workers: Workers of each device, with a core for each.
        devices: Number of them.

    Returns:
        The share in the steady state, from 0 to 1.
    """
    drawn = np.random.default_rng(0).choice(np.asarray(batch_seconds), (devices, _STEPS)).T
    ready = np.zeros((_STEPS, devices))
    begin = np.zeros(_STEPS)
    for i in range(_STEPS):
        free = ready[i - workers] if i >= workers else np.zeros(devices)
        if i >= _PREFETCH * workers:
            free = np.maximum(free, begin[i - _PREFETCH * workers])
        ready[i] = free + drawn[i]
        begin[i] = max(ready[i].max(), begin[i - 1] + step_seconds if i else 0.0)
    steps = _STEPS - 1 - _STEPS // 2
    return max(0.0, float(1 - steps * step_seconds / (begin[-1] - begin[_STEPS // 2])))


def workers_wanted(batch_seconds: Sequence[float], step_seconds: float, devices: int) -> int:
    """Fewest workers of each device with which it waits a hundredth of its time or less."""
    workers = max(1, math.floor(min(batch_seconds) / step_seconds))
    while share_waiting(batch_seconds, step_seconds, workers, devices) > _LITTLE:
        workers += 1
    return workers
