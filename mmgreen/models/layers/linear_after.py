"""A linear layer that keeps what went into the norm or activation before it."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call


def linear_after(before: nn.Module, x: Tensor, linear: nn.Linear) -> Tensor:
    """``linear(before(x))`` that does not keep ``before(x)`` for the backward pass.

    Autograd keeps the input of a linear layer. After a norm or an activation
    that is a second copy of what these keep themselves, and cheaper to compute
    again than to hold: in a Swin block it is 6 of 16 activations a token.

    Args:
        before: A module that is cheap and always gives the same result, such as
            a norm or an activation; no dropout.
        x: (..., C).
        linear: The layer that follows.

    Returns:
        (..., linear.out_features).
    """
    if torch.compiler.is_compiling() or not torch.is_grad_enabled():
        return linear(before(x))  # compiled code decides by itself what to compute again
    named = dict(before.named_parameters())

    def function(x: Tensor, *parameters: Tensor) -> Tensor:
        return functional_call(before, dict(zip(named, parameters, strict=True)), (x,))

    return _LinearAfter.apply(function, x, linear.weight, linear.bias, *named.values())


class _LinearAfter(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx,
        function: Callable[..., Tensor],
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        *parameters: Tensor,
    ) -> Tensor:
        ctx.function = function
        ctx.save_for_backward(x, weight, *parameters)
        return F.linear(function(x, *parameters), weight, bias)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, *parameters = ctx.saved_tensors
        with torch.enable_grad():
            inputs = [t.detach().requires_grad_() for t in (x, *parameters)]
            y = ctx.function(*inputs)
        # Under autocast the layer ran in the type of the gradient.
        rows = grad.flatten(0, -2)
        grad_weight = rows.t() @ y.detach().flatten(0, -2).to(grad.dtype)
        grad_y = (grad @ weight.to(grad.dtype)).to(y.dtype)
        grad_x, *grad_parameters = torch.autograd.grad(y, inputs, grad_y)
        grad_bias = rows.sum(0) if ctx.needs_input_grad[3] else None
        return None, grad_x, grad_weight.to(weight.dtype), grad_bias, *grad_parameters
