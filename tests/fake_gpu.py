"""A GPU without values: shapes, types and devices of what would run on one.

``FakeTensorMode`` knows what an operator gives on a device, and refuses operands of two devices.
:class:`FakeGPU` adds what it does not know: which operands CUDA's kernels refuse, what makes the
host wait for the device, and how many kernels are launched. Autograd's engine asks for a real
device, so the backward passes of custom functions are called one by one (:func:`both_ways`).
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes

# They look at values, or copy to the host and wait.
WAITS = ('_local_scalar_dense', 'nonzero', 'is_nonzero', 'masked_select', 'equal', '_unique2')
# They launch nothing.
NO_KERNEL = ('empty', 'empty_like', 'empty_strided', 'new_empty', '_pin_memory', 'is_pinned')


class FakeGPU(TorchDispatchMode):
    """Refuses what CUDA refuses, refuses waits, counts launches.

    Attributes:
        launches: Kernels on the device, by operator.
    """

    def __init__(self) -> None:
        super().__init__()
        self.launches: Counter[str] = Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func._schema.name.removeprefix('aten::')
        tensors = [a for a in args if isinstance(a, Tensor)]
        on_gpu = any(t.device.type == 'cuda' for t in tensors)
        if on_gpu and name in WAITS:
            raise AssertionError(f'{name} makes the host wait for the device')
        if name == '_pin_memory':
            return args[0]
        if on_gpu and name.startswith('native_layer_norm'):
            _refuse_mixed_types(name, args)
        out = func(*args, **(kwargs or {}))
        if name == '_to_copy' and isinstance(out, Tensor):
            away = on_gpu and out.device.type == 'cpu'
            here = not on_gpu and out.device.type == 'cuda'
            if (away or here) and not (kwargs or {}).get('non_blocking'):
                raise AssertionError(f'a copy {"from" if away else "to"} the device is waited for')
        is_view = any(r.alias_info and not r.alias_info.is_write for r in func._schema.returns)
        outs = out if isinstance(out, tuple | list) else (out,)
        on_gpu |= any(isinstance(o, Tensor) and o.device.type == 'cuda' for o in outs)
        if on_gpu and not is_view and name not in NO_KERNEL:
            self.launches[name] += 1
        return out


def _refuse_mixed_types(name: str, args: tuple) -> None:
    """CUDA's layer norm wants input, weight and bias of one type; the CPU's does not."""
    backward = name.endswith('backward')
    operands = (args[0], args[1], args[5], args[6]) if backward else (args[0], args[2], args[3])
    found = {t.dtype for t in operands if t is not None}
    if len(found) > 1:
        raise AssertionError(f'{name} of mixed types: {found}')


@contextmanager
def fake_gpu() -> Iterator[FakeGPU]:
    """Within it, ``device='cuda'`` is there."""
    with FakeTensorMode(allow_non_fake_inputs=True), FakeGPU() as gpu:
        yield gpu


@contextmanager
def autocast(dtype: torch.dtype | None) -> Iterator[None]:
    """``torch.autocast('cuda', dtype)``, which switches itself off where there is no GPU."""
    if dtype is None:
        yield
        return
    before = torch.is_autocast_enabled('cuda'), torch.get_autocast_dtype('cuda')
    torch.set_autocast_enabled('cuda', True)
    torch.set_autocast_dtype('cuda', dtype)
    torch.autocast_increment_nesting()
    try:
        yield
    finally:
        if torch.autocast_decrement_nesting() == 0:
            torch.clear_autocast_cache()
        torch.set_autocast_enabled('cuda', before[0])
        torch.set_autocast_dtype('cuda', before[1])


def to_gpu(module: nn.Module) -> nn.Module:
    """Move a module to the fake device; within :func:`fake_gpu`."""
    for part in module.modules():
        for name, value in part._parameters.items():
            if value is not None:
                fake = torch.empty(value.shape, dtype=value.dtype, device='cuda')
                part._parameters[name] = nn.Parameter(fake, requires_grad=value.requires_grad)
        for name, value in part._buffers.items():
            if value is not None:
                part._buffers[name] = torch.empty(value.shape, dtype=value.dtype, device='cuda')
    return module


def layouts_by_the_host(model: nn.Module) -> None:
    """Let a GreenMIM build its layouts from real masks, as the host does."""
    layouts_for = model.layouts.layouts_for
    model.backbone.grouping = 'tiles'  # as for a GPU

    def by_the_host(images: Tensor) -> Callable:
        with _disable_current_modes():
            build = layouts_for(torch.empty(images.shape))

        def layout_of(step: int):
            with _disable_current_modes():
                return build(step)

        return layout_of

    model.layouts.layouts_for = by_the_host


class _Context:
    """What a custom function keeps for its backward pass."""

    def __init__(self, args: tuple) -> None:
        self.needs_input_grad = tuple(isinstance(a, Tensor) and a.is_floating_point() for a in args)

    def save_for_backward(self, *tensors: Tensor) -> None:
        self.saved_tensors = tensors


def both_ways(function: type[torch.autograd.Function], seen: Counter) -> Callable:
    """In the place of ``function.apply``: forward, and at once backward as the engine calls it.

    That is without autocast; each gradient must be of the shape, type and device of its operand.

    Args:
        function: The custom function.
        seen: Counts the calls, by name and the type of the (first) result.
    """

    @torch.no_grad()  # as both ways are run by autograd
    def apply(*args):
        ctx = _Context(args)
        out = function.forward(ctx, *args)
        outs = out if isinstance(out, tuple) else (out,)
        seen[function.__name__, outs[0].dtype] += 1
        was = torch.is_autocast_enabled('cuda')
        torch.set_autocast_enabled('cuda', False)
        try:
            gradients = function.backward(ctx, *map(torch.empty_like, outs))
        finally:
            torch.set_autocast_enabled('cuda', was)
        for operand, gradient in zip(args, gradients, strict=True):
            if gradient is not None:
                assert gradient.shape == operand.shape
                assert gradient.dtype == operand.dtype
                assert gradient.device == operand.device
        return out

    return apply
