"""Linear layers whose backward pass keeps and casts less."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmgreen.sparse import autocast_dtype

#: Whether CUDA's products of half precision are written as float32 (``torch.mm`` with ``out_dtype``): PyTorch 2.6 and
#: ROCm cannot.
_HAS_FLOAT_SUMS = hasattr(torch.ops.aten.mm, 'dtype_out') and not torch.version.hip


def linear_after(before: nn.Module, x: Tensor, linear: nn.Linear) -> Tensor:
    """``linear(before(x))`` that does not keep ``before(x)`` for the backward pass.

    Autograd keeps the input of a linear layer. After a LayerNorm or a GELU that
    is a second copy of what these keep themselves, and cheaper to compute again
    than to hold: in a Swin block it is 6 of 16 activations a token.

    Args:
        before: A LayerNorm over the last axis, or GELU; any other module runs
            as usual.
        x: (..., C).
        linear: The layer that follows.

    Returns:
        (..., linear.out_features).
    """
    # Compiled code decides by itself what to compute again.
    if torch.is_grad_enabled() and not torch.compiler.is_compiling():
        weights = linear.weight, linear.bias
        if isinstance(before, nn.GELU):
            return _LinearAfterGelu.apply(x, before.approximate, *weights)
        if isinstance(before, nn.LayerNorm) and before.bias is not None:
            return _LinearAfterNorm.apply(x, before.weight, before.bias, before.eps, *weights)
    return linear(before(x))


def linear(x: Tensor, layer: nn.Linear) -> Tensor:
    """``layer(x)``, whose gradients a GPU sums in float32 under autocast, without casts after it.

    Args:
        x: (..., C).
        layer: The layer.
    """
    if torch.is_grad_enabled() and not torch.compiler.is_compiling() and autocast_dtype(x):
        out: Tensor = _Linear.apply(x, layer.weight, layer.bias)
        return out
    plain: Tensor = layer(x)
    return plain


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.dtype = weight.dtype
        out, cast = _linear(x, weight, bias)
        ctx.save_for_backward(x, cast)
        return out

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        return _linear_gradients(grad, lambda: x, weight, ctx.dtype, ctx.needs_input_grad[-1])


class _LinearAfterGelu(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, approximate: str, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.approximate, ctx.dtype = approximate, weight.dtype
        out, cast = _linear(F.gelu(x, approximate=approximate), weight, bias)
        ctx.save_for_backward(x, cast)
        return out

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        grad_y, *grad_linear = _linear_gradients(
            *(grad, lambda: F.gelu(x, approximate=ctx.approximate), weight),
            *(ctx.dtype, ctx.needs_input_grad[-1]),
        )
        grad_x = torch.ops.aten.gelu_backward(grad_y, x, approximate=ctx.approximate)
        return grad_x, None, *grad_linear


class _LinearAfterNorm(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx,
        x: Tensor,
        norm_weight: Tensor,
        norm_bias: Tensor,
        eps: float,
        weight: Tensor,
        bias: Tensor | None,
    ) -> Tensor:
        y, mean, rstd = _normalise(x, norm_weight, norm_bias, eps)
        ctx.eps, ctx.dtype = eps, weight.dtype
        out, cast = _linear(y, weight, bias)
        ctx.save_for_backward(x, mean, rstd, norm_weight, norm_bias, cast)
        return out

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, mean, rstd, norm_weight, norm_bias, weight = ctx.saved_tensors
        grad_y, *grad_linear = _linear_gradients(
            *(grad, lambda: _normalise(x, norm_weight, norm_bias, ctx.eps)[0], weight),
            *(ctx.dtype, ctx.needs_input_grad[-1]),
        )
        grad_x, *grad_norm = torch.ops.aten.native_layer_norm_backward(
            *(grad_y, x.to(norm_weight.dtype), x.shape[-1:], mean, rstd),
            *(norm_weight, norm_bias, (True, True, True)),
        )
        return grad_x.to(x.dtype), *grad_norm, None, *grad_linear


def _normalise(x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> tuple[Tensor, ...]:
    """LayerNorm over the last axis in the type of its weights, mean, and 1 / deviation.

    Under autocast the input may be of half precision and the weights are not.
    GPUs refuse that, and the backward pass is not under autocast.
    """
    return torch.native_layer_norm(x.to(weight.dtype), x.shape[-1:], weight, bias, eps)


def _linear(y: Tensor, weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor]:
    """``F.linear``, and the weight in the type that it ran in: the backward pass casts it no second time."""
    dtype = autocast_dtype(y)
    if dtype:
        y, weight = y.to(dtype), weight.to(dtype)
        bias = None if bias is None else bias.to(dtype)
    return F.linear(y, weight, bias), weight


def _linear_gradients(
    grad: Tensor,
    compute_y: Callable[[], Tensor],
    weight: Tensor,
    dtype: torch.dtype,
    has_bias: bool,
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Gradients of the input, the weight and any bias of ``F.linear(y, weight, bias)``.

    Under autocast the layer ran in the type of ``grad``, and ``weight`` is cast to it; every gradient has
    the type of what it belongs to, ``dtype`` that of the parameters.
    """
    rows = grad.flatten(0, -2)
    # No cast after the sum, and more exact.
    at_once = (
        _HAS_FLOAT_SUMS
        and grad.device.type in ('cuda', 'meta')
        and (grad.dtype in (torch.float16, torch.bfloat16) and dtype == torch.float32)
    )
    # It outlives everything else here: claimed first, it does not end up in the
    # middle of memory that is about to be free.
    grad_weight = torch.empty_like(weight, dtype=dtype if at_once else grad.dtype)
    y = compute_y()
    factors = rows.t(), y.flatten(0, -2).to(grad.dtype)
    if at_once:
        torch.mm(*factors, out_dtype=dtype, out=grad_weight)
    else:
        torch.mm(*factors, out=grad_weight)
    grad_bias = rows.sum(0, dtype=dtype) if has_bias else None
    return (grad @ weight).to(y.dtype), grad_weight.to(dtype), grad_bias
