"""What there is to train on."""

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Machine:
    """Where a config will be run.

    Attributes:
        gpu_memory: Memory of one GPU in GiB; None where there is none.
        cores: Cores of the CPU.
    """

    gpu_memory: float | None
    cores: int


def this_machine(gpu_memory: float | None = None) -> Machine:
    """The machine at hand.

    Args:
        gpu_memory: Memory of another machine's GPU in GiB, that the config is for.
    """
    cores = len(os.sched_getaffinity(0))
    if gpu_memory is None:
        import torch

        if torch.cuda.is_available():
            gpu_memory = torch.cuda.get_device_properties(0).total_memory / 2**30
    return Machine(gpu_memory, cores)
