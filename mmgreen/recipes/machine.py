"""What there is to train on."""

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Machine:
    """Where a config will be run.

    Attributes:
        gpu_memory: Memory of one GPU in GiB; None where there is none.
        cores: Cores of the CPU.
        has_bf16: Whether the GPU computes in bfloat16, which needs no loss scale; not known of another machine's.
    """

    gpu_memory: float | None
    cores: int
    has_bf16: bool = False


def this_machine(gpu_memory: float | None = None) -> Machine:
    """The machine at hand.

    Args:
        gpu_memory: Memory of another machine's GPU in GiB, that the config is for.
    """
    cores, has_bf16 = len(os.sched_getaffinity(0)), False
    if gpu_memory is None:
        import torch

        if torch.cuda.is_available():
            gpu_memory = torch.cuda.get_device_properties(0).total_memory / 2**30
            has_bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
    return Machine(gpu_memory, cores, has_bf16)
