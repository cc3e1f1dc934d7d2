"""Operators whose gradients gather, for code that is compiled, too.

Each is an autograd function where code runs as it stands, which costs a host little, and an operator of PyTorch's
library inside :func:`torch.compile`, which takes it as it is and sees nothing of what is inside.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

_Setup = Callable[[Any, tuple[Any, ...], Any], None]
_Backward = Callable[[Any, Tensor], tuple[Tensor | None, ...]]


def _operator(
    setup: _Setup, backward: _Backward, shape: Callable[..., Tensor]
) -> Callable[[Callable[..., Tensor]], Callable[..., Tensor]]:
    """Make both kinds of operator of a function.

    Args:
        setup: Keeps what ``backward`` needs of the arguments: context, arguments, result.
        backward: From context and gradient to the gradients of all arguments.
        shape: An empty result, from the arguments.
    """

    def decorate(forward: Callable[..., Tensor]) -> Callable[..., Tensor]:
        name = f'mmgreen::{forward.__name__}'
        compiled = torch.library.custom_op(name, forward, mutates_args=())
        compiled.register_fake(shape)
        compiled.register_autograd(backward, setup_context=setup)

        class Function(torch.autograd.Function):
            @staticmethod
            def forward(ctx: Any, *args: Any) -> Tensor:
                out = forward(*args)
                setup(ctx, args, out)
                return out

        Function.backward = staticmethod(backward)  # type: ignore[assignment]
        Function.__name__ = forward.__name__

        def call(*args: Any) -> Tensor:
            operator = compiled if torch.compiler.is_compiling() else Function.apply
            out: Tensor = operator(*args)
            return out

        call.__doc__, call.__name__ = forward.__doc__, forward.__name__
        call.function, call.compiled = Function, compiled  # type: ignore[attr-defined]
        return call

    return decorate


def _keep_gather(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.save_for_backward(*inputs[2:])


def _gather_backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    back, empty = ctx.saved_tensors
    grad = grad.index_select(1, back)
    if empty is not None:
        grad.index_fill_(1, empty, 0)
    return grad, None, None, None


@_operator(
    _keep_gather,
    _gather_backward,
    lambda x, index, back, empty: x.new_empty(x.shape[0], index.shape[0], x.shape[2]),
)
def gather(x: Tensor, index: Tensor, back: Tensor, empty: Tensor | None) -> Tensor:
    """(b, n, C) to (b, m, C), whose backward pass gathers, too, and does not scatter.

    Args:
        x: (b, n, C).
        index: (m,) int32, the row for each place.
        back: (n,) int32, for each row the place whose gradient is its own.
        empty: int64, rows whose gradient is zero.
    """
    return x.index_select(1, index)


def _keep_look_up(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    columns, index, where, rows, _ = inputs
    ctx.save_for_backward(index, where, rows)
    ctx.size, ctx.dtype = columns.shape[1], columns.dtype


def _look_up_backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    index, where, rows = ctx.saved_tensors
    grad = grad.to(torch.promote_types(ctx.dtype, torch.float32))
    if where is not None:
        # Without the pairs of different windows: on a GPU additions to one address wait
        # for each other, and theirs would all go to the last column and end up nowhere.
        grad, index = grad.index_select(1, where), rows
    sums = grad.new_zeros(len(grad), ctx.size).index_add_(1, index, grad)
    return sums.to(ctx.dtype), None, None, None, None


@_operator(
    _keep_look_up,
    _look_up_backward,
    lambda columns, index, where, rows, dtype: columns.new_empty(
        columns.shape[0], index.shape[0], dtype=dtype
    ),
)
def look_up(
    columns: Tensor, index: Tensor, where: Tensor | None, rows: Tensor | None, dtype: torch.dtype
) -> Tensor:
    """(n, entries) to (n, pairs). The gradient of an entry sums over many pairs, in float32 at least.

    Args:
        columns: (n, entries).
        index: (pairs,) int32, the entry of each pair.
        where: Pairs whose gradient matters; all by default.
        rows: Their entries.
        dtype: Type of the result.
    """
    return columns.to(dtype).index_select(1, index)


def _keep_fill(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.save_for_backward(*inputs[3:])
    ctx.dtype = inputs[1].dtype


def _fill_backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    (place, empty), of_stand_in = ctx.saved_tensors, None
    if ctx.needs_input_grad[1]:
        dtype = torch.promote_types(ctx.dtype, torch.float32)
        of_stand_in = grad.index_select(1, empty).sum((0, 1), dtype=dtype).to(ctx.dtype)
    return grad.index_select(1, place), of_stand_in, None, None, None


@_operator(
    _keep_fill,
    _fill_backward,
    lambda x, stand_in, source, place, empty: x.new_empty(x.shape[0], source.shape[0], x.shape[2]),
)
def fill(x: Tensor, stand_in: Tensor, source: Tensor, place: Tensor, empty: Tensor) -> Tensor:
    """(b, T, C) to (b, P, C): every token at its place, and something at the others.

    Args:
        x: (b, T, C).
        stand_in: (C,).
        source: (P,) int32, the token at each place, T where none is.
        place: (T,) int32, the place of each token.
        empty: (P - T,) int32, the places without a token.
    """
    rows = torch.cat([x, stand_in.to(x.dtype).expand(len(x), 1, -1)], dim=1)
    return rows.index_select(1, source)
