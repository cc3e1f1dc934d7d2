"""Mixed precision on a CPU."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from mmengine.optim import OptimWrapper
from torch import nn

from mmgreen.registry import OPTIM_WRAPPERS


@OPTIM_WRAPPERS.register_module()
class BFloat16OptimWrapper(OptimWrapper):
    """What mmengine's ``AmpOptimWrapper``, which wants a GPU, is on one: matrix products in half precision.

    bfloat16 has the range of float32, so that no loss has to be scaled. ``mmgreen train`` sets it where a config asks for
    mixed precision and :func:`computes_in_bfloat16`.
    """

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        with super().optim_context(model), torch.autocast('cpu', torch.bfloat16):
            yield


def computes_in_bfloat16(info: Path = Path('/proc/cpuinfo')) -> bool:
    """Whether this CPU has instructions for bfloat16 (AVX512-BF16 or AMX); others are slower in it than in float32.

    Args:
        info: What Linux says of the CPU; without it, the answer is no.
    """
    if not info.is_file():
        return False
    return not {'avx512_bf16', 'amx_bf16'}.isdisjoint(info.read_text().split())
