"""The lower bound of a step."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode


class Floor(TorchFunctionMode):
    """The lower bound of a step: its linear layers, norms and activations, nothing else.

    Used as a context around one forward pass, it records every call of these
    with the shape of its input. :meth:`step` runs the same calls with the same
    weights, each on the result of the one before where that is of its shape:
    no attention, no gathers, no residuals, no loss.
    """

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Callable, Tensor | None, list, dict]] = []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        result = out = func(*args, **(kwargs or {}))
        if func is torch.native_layer_norm:  # the same call, which returns more
            func, out = F.layer_norm, result[0]
        if func in (F.linear, F.layer_norm, F.gelu):
            x, *rest = args
            # Where the chain breaks, values of its own, there before the first step.
            chained = self.calls and self.last_shape == x.shape
            fresh = None if chained else torch.randn_like(x).requires_grad_()
            self.calls.append((func, fresh, rest, kwargs or {}))
            self.last_shape = out.shape
        return result

    def step(self) -> None:
        """The recorded calls, forward and backward."""
        ends: list[Tensor] = []
        x: Tensor | None = None
        for func, fresh, rest, kwargs in self.calls:
            if fresh is not None:
                ends += [] if x is None else [x]
                fresh.grad = None
                x = fresh
            x = func(x, *rest, **kwargs)
        if x is not None:
            ends.append(x)
        torch.autograd.backward(ends, [torch.ones_like(end) for end in ends])
