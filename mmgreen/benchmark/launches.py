"""How many kernels a step launches: each costs the host some microseconds, however small."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from mmgreen.config import own_scope, prepare_optimizer

# What allocates and computes nothing.
_NO_KERNEL = ('empty', 'empty_like', 'empty_strided', 'new_empty', 'new_empty_strided')


class Launches(TorchDispatchMode):
    """Counts operators that compute something: on a GPU each is a kernel, or more.

    Attributes:
        count: Operators so far.
    """

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        is_view = any(r.alias_info and not r.alias_info.is_write for r in func._schema.returns)
        self.count += not is_view and func._schema.name.split('::')[-1] not in _NO_KERNEL
        return func(*args, **(kwargs or {}))


@contextmanager
def _counting(found: dict[str, int], phase: str) -> Iterator[None]:
    with Launches() as launches:
        yield
    found[phase] = launches.count


def count_launches(cfg: Config, model: nn.Module, batch: dict) -> dict[str, int]:
    """Kernels of a training step by its phases.

    The model runs on tensors without memory, the way it does on a GPU; what PyTorch
    would fuse there and does not here, such as attention, counts as its parts.

    Args:
        cfg: Its config.
        model: On the CPU.
        batch: After the preprocessor.

    Returns:
        ``forward``, ``backward`` and ``optimizer``.
    """
    prepare_optimizer(cfg)
    settings = copy.deepcopy(cfg.optim_wrapper)
    for key in ('loss_scale', 'dtype', 'clip_grad'):
        settings.pop(key, None)
    settings.type = 'OptimWrapper'
    with own_scope(cfg):
        optimizer = build_optim_wrapper(model, settings).optimizer
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.grad = torch.zeros_like(parameter)
    found: dict[str, int] = {}
    optimizer.step()  # which makes its state
    with _counting(found, 'optimizer'):
        optimizer.step()

    model = model.to('meta')
    model.zero_grad()
    inputs = batch['inputs'].to('meta')
    model.loss(inputs, batch['data_samples'])  # what is made once is made
    with _counting(found, 'forward'):
        loss = model.parse_losses(model.loss(inputs, batch['data_samples']))[0]
    with _counting(found, 'backward'):
        loss.backward()
    return {phase: found[phase] for phase in ('forward', 'backward', 'optimizer')}
