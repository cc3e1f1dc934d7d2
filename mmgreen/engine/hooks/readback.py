"""Numbers of the device that the host reads some steps later, so that neither waits."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

#: After how many steps numbers are read. The host runs ahead of a GPU by a step or less.
LAG = 2


def lag_behind(device: torch.device) -> int:
    """How many steps later to read what a device computes; 0 for a CPU, which is never behind."""
    return 0 if device.type == 'cpu' else LAG


@dataclass(frozen=True)
class _Copy:
    """Numbers on their way to the host."""

    key: Any
    numbers: Tensor
    arrived: torch.cuda.Event | None

    def read(self) -> list[float]:
        if self.arrived is not None:
            self.arrived.synchronize()
        return self.numbers.tolist()


class Readback:
    """A short queue of numbers, one entry for each step.

    Numbers are copied into pinned memory without waiting, and read
    :func:`lag_behind` steps later, when the copy has long been made.
    """

    def __init__(self) -> None:
        self._queue: deque[_Copy] = deque()

    def put(self, key: Any, scalars: list[Tensor]) -> None:
        """Queue some numbers of a step.

        Args:
            key: Comes back with them.
            scalars: Tensors of one element each, on a device or on the CPU.
        """
        # Models also log numbers of the CPU beside those of the device.
        device = next((s.device for s in scalars if s.is_cuda), scalars[0].device)
        numbers = torch.stack(
            [s.detach().to(device, torch.double, non_blocking=True).reshape(()) for s in scalars]
        )
        arrived = None
        if numbers.is_cuda:
            host = torch.empty(numbers.shape, dtype=numbers.dtype, pin_memory=True)
            numbers = host.copy_(numbers, non_blocking=True)
            arrived = torch.cuda.Event()
            arrived.record()
        self._lag = lag_behind(device)
        self._queue.append(_Copy(key, numbers, arrived))

    def take(self, everything: bool = False) -> Iterator[tuple[Any, list[float]]]:
        """What was queued long enough ago, oldest first.

        Args:
            everything: What was queued just now, too, which waits for the device.
        """
        while self._queue and (everything or len(self._queue) > self._lag):
            copy = self._queue.popleft()
            yield copy.key, copy.read()
