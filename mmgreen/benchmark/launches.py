"""What a step asks of a GPU: kernels, each some microseconds of the host, and bytes moved."""

import copy
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from unittest.mock import patch

import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from mmgreen.engine import complete_optimizer, own_scope

# What computes nothing: it allocates, or is a view by another name.
_NO_KERNEL = (
    *('empty', 'empty_like', 'empty_strided', 'new_empty', 'new_empty_strided'),
    '_unsafe_view',
)


class Launches(TorchDispatchMode):
    """Counts operators that compute something: on a GPU each is a kernel, or more.

    Args:
        device: Type of the device whose operators are counted; others are the host's own work.

    Attributes:
        count: Operators so far.
        bytes: What they read and wrote, each operand and each result once.
    """

    def __init__(self, device: str) -> None:
        super().__init__()
        self.device = device
        self.count = self.bytes = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        is_view = any(r.alias_info and not r.alias_info.is_write for r in func._schema.returns)
        if not is_view and func._schema.name.split('::')[-1] not in _NO_KERNEL:
            tensors = [t for t in tree_leaves((args, kwargs, out)) if isinstance(t, Tensor)]
            if any(t.device.type == self.device for t in tensors):
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


class _MixedPrecision(TorchFunctionMode):
    """Autocast on tensors without memory, for which PyTorch has none: casts where CUDA's has them.

    Args:
        dtype: float16 or bfloat16.
    """

    #: Computed in half precision, and in float32; other operators take what they get.
    HALF = frozenset(
        {F.linear, F.conv2d, torch.matmul, torch.bmm, torch.mm, torch.addmm, Tensor.__matmul__}
    )
    FULL = frozenset(
        {F.layer_norm, torch.softmax, F.softmax, F.mse_loss, F.l1_loss, F.smooth_l1_loss}
    )

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype
        # As autocast does, a parameter is cast once a step.
        self._cast: dict[int, Tensor] = {}

    def __enter__(self):
        # What code reads that decides by autocast's state.
        self._patches = ExitStack()
        for name, answer in (
            ('torch.amp.is_autocast_available', True),
            ('torch.is_autocast_enabled', True),
            ('torch.get_autocast_dtype', self.dtype),
        ):
            self._patches.enter_context(patch(name, return_value=answer))
        return super().__enter__()

    def __exit__(self, *exception):
        super().__exit__(*exception)
        self._patches.close()

    def __torch_function__(self, func, types, args=(), kwargs=None):
        fused = func is torch.ops.aten._scaled_dot_product_efficient_attention
        if func in self.HALF or fused or func is F.scaled_dot_product_attention:
            args, kwargs = tree_map(self._half, (args, kwargs))
        elif func in self.FULL:
            args, kwargs = tree_map(_full, (args, kwargs))
        return func(*args, **(kwargs or {}))

    def _half(self, value: object) -> object:
        if not isinstance(value, Tensor) or value.dtype != torch.float32:
            return value
        if not (value.is_leaf and value.requires_grad):
            return value.to(self.dtype)
        if id(value) not in self._cast:
            with torch.enable_grad():  # inside a custom function, too
                self._cast[id(value)] = value.to(self.dtype)
        return self._cast[id(value)]


def _full(value: object) -> object:
    return value.float() if isinstance(value, Tensor) and value.is_floating_point() else value


@contextmanager
def _counting(found: dict[str, dict[str, int]], phase: str, device: str = 'meta') -> Iterator[None]:
    with Launches(device) as launches:
        yield
    found[phase] = dict(kernels=launches.count, bytes=launches.bytes)


def count_launches(
    cfg: Config, model: nn.Module, batch: dict, dtype: torch.dtype | None = None
) -> dict[str, dict[str, int]]:
    """Kernels of a training step, and bytes that they move, by its phases.

    The model runs on tensors without memory, the way it does on a GPU.

    Args:
        cfg: Its config.
        model: A model on the CPU.
        batch: After the preprocessor.
        dtype: Half precision of the forward pass, under autocast; float32 by default.

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
    with _counting(found, 'optimizer', 'cpu'):
        optimizer.step()

    model = model.to('meta')
    model.zero_grad()
    inputs = batch['inputs'].to('meta')
    model.loss(inputs, batch['data_samples'])  # what is made once is made
    precision = _MixedPrecision(dtype) if dtype else nullcontext()
    with precision, _FusedAttention(), _counting(found, 'forward'):
        loss = model.parse_losses(model.loss(inputs, batch['data_samples']))[0]
    with _counting(found, 'backward'):
        loss.backward()
    return {phase: found[phase] for phase in ('forward', 'backward', 'optimizer')}
