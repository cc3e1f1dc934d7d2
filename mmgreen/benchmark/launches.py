"""What a step asks of a GPU: kernels, each some microseconds of the host, and bytes moved."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from mmgreen.engine import complete_optimizer, own_scope

# What computes nothing: it allocates, or is a view by another name.
_NO_KERNEL = (
    *('empty', 'empty_like', 'empty_strided', 'new_empty', 'new_empty_strided'),
    '_unsafe_view',
)


class Launches(TorchDispatchMode):
    """Counts operators that compute something: on a GPU each is a kernel, or more.

    Attributes:
        count: Operators so far.
        bytes: What they read and wrote, each operand and each result once.
    """

    def __init__(self) -> None:
        super().__init__()
        self.count = self.bytes = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        is_view = any(r.alias_info and not r.alias_info.is_write for r in func._schema.returns)
        if not is_view and func._schema.name.split('::')[-1] not in _NO_KERNEL:
            tensors = [t for t in tree_leaves((args, kwargs, out)) if isinstance(t, Tensor)]
            moved = sum(t.numel() * t.element_size() for t in tensors)
            self.bytes += moved
            self.count += moved > 0
        return out


class _FusedAttention(TorchFunctionMode):
    """Attention as the one kernel that a GPU takes where there is a bias."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func is not F.scaled_dot_product_attention:
            return func(*args, **(kwargs or {}))

        def fused(q, k, v, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None):
            attend = torch.ops.aten._scaled_dot_product_efficient_attention
            return attend(q, k, v, attn_mask, True, dropout_p, is_causal, scale=scale)[0]

        return fused(*args, **(kwargs or {}))


@contextmanager
def _counting(found: dict[str, dict[str, int]], phase: str) -> Iterator[None]:
    with Launches() as launches:
        yield
    found[phase] = dict(kernels=launches.count, bytes=launches.bytes)


def count_launches(cfg: Config, model: nn.Module, batch: dict) -> dict[str, dict[str, int]]:
    """Kernels of a training step, and bytes that they move, by its phases.

    The model runs in float32 on tensors without memory, the way it does on a GPU.

    Args:
        cfg: Its config.
        model: A model on the CPU.
        batch: After the preprocessor.

    Returns:
        ``kernels`` and ``bytes`` of ``forward``, ``backward`` and ``optimizer``.
    """
    complete_optimizer(cfg)
    settings = copy.deepcopy(cfg.optim_wrapper)
    for key in ('loss_scale', 'dtype', 'clip_grad'):
        settings.pop(key, None)
    settings.type = 'OptimWrapper'
    with own_scope(cfg):
        optimizer = build_optim_wrapper(model, settings).optimizer
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.grad = torch.zeros_like(parameter)
    found: dict[str, dict[str, int]] = {}
    optimizer.step()  # which makes its state
    with _counting(found, 'optimizer'):
        optimizer.step()

    model = model.to('meta')
    model.zero_grad()
    inputs = batch['inputs'].to('meta')
    model.loss(inputs, batch['data_samples'])  # what is made once is made
    with _FusedAttention(), _counting(found, 'forward'):
        loss = model.parse_losses(model.loss(inputs, batch['data_samples']))[0]
    with _counting(found, 'backward'):
        loss.backward()
    return {phase: found[phase] for phase in ('forward', 'backward', 'optimizer')}
