"""Group window attention over visible tokens (GreenMIM, section 3.2), and over groups of any kind."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .operators import gather, look_up
from .precision import autocast_dtype
from .windows import Windows


def pair_bias(tables: Sequence[Tensor], windows: Windows) -> tuple[Tensor, ...]:
    """Relative position bias of each pair of slots, minus infinity between windows.

    One look-up for all blocks that share a pattern, which differ in their tables only.

    Args:
        tables: One for each block, each ((2w-1)**2, heads).
        windows: The pattern: G groups of S slots.

    Returns:
        One for each block, (G, heads, S, S), of the type that autocast asks for where
        it is on.
    """
    trained = torch.is_grad_enabled() and any(table.requires_grad for table in tables)
    where, rows = windows.within if trained and windows.num_pairs is not None else (None, None)
    # Pairs of different windows look up the added last column. Every slot shares a
    # window with itself, so no row of the bias is all minus infinity.
    columns = F.pad(torch.cat(tuple(tables), 1).t(), (0, 1), value=float('-inf'))
    dtype = autocast_dtype(columns) or columns.dtype
    bias = look_up(columns, windows.relative, where, rows, dtype)
    bias = bias.view(len(columns), -1, windows.group_size, windows.group_size)
    parts = bias.split([table.shape[1] for table in tables])
    return tuple(part.transpose(0, 1) for part in parts)


def group_window_attention(
    qkv: Tensor,
    bias: Tensor,
    windows: Windows,
    scale: float | None = None,
    dropout: float = 0.0,
    beyond: Tensor | None = None,
) -> Tensor:
    """Multi-head attention inside windows that are packed into equal groups.

    Only rows of q, k and v are gathered into groups and only rows of the result are
    gathered back: projections and everything after them never meet padding. No
    attention matrix is kept for the backward pass.

    Args:
        qkv: (B, N, 3*C), projected tokens, q, k and v one after the other, each
            head by head (the order of Swin's ``qkv`` layer).
        bias: (G, heads, S, S), of :func:`pair_bias`; heads divide C.
        windows: The pattern; it covers N tokens (one mask for the batch) or
            B*N (one mask per sample), and nothing else changes.
        scale: Factor of q k^T, ``(C / heads) ** -0.5`` by default.
        dropout: Probability of dropping an attention weight.
        beyond: (3*C,), what a zero token projects to (the bias of the qkv
            layer): the q, k, v of positions beyond the map's border. Zeros by
            default.

    Returns:
        (B, N, C), heads joined, not projected.
    """
    batch, tokens, channels = qkv.shape[0], qkv.shape[1], qkv.shape[2] // 3
    # [b, T, 3C]; b is the batch, or 1 where the masks differ
    rows = qkv.contiguous().view(-1, windows.num_tokens, 3 * channels)
    if not windows.in_order:
        # Nothing that is done in a slot without a token reaches the result.
        rows = gather(rows, windows.slots, windows.inverse, None)  # [b, G*S, 3C]
    if len(windows.beyond):
        fill = rows.new_zeros(3 * channels) if beyond is None else beyond.to(rows.dtype)
        fill = fill.expand(len(windows.beyond), -1)
        if windows.has_room:
            fill = torch.where(windows.again[:, None], fill.detach(), fill)
        rows = rows.index_copy(1, windows.beyond, fill.expand(len(rows), -1, -1))
    scale = (channels // bias.shape[1]) ** -0.5 if scale is None else scale
    rows = attend_in_groups(rows, bias.to(rows.dtype), scale, dropout)
    if not windows.in_order:
        # Backwards, empty slots get the gradient of some token. It ends there: each attends to itself
        # alone, whose weight is one whatever the score.
        beyond = windows.beyond if len(windows.beyond) else None
        rows = gather(rows, windows.inverse, windows.slots, beyond)
    return rows.view(batch, tokens, channels)


def attend_in_groups(rows: Tensor, bias: Tensor, scale: float, dropout: float = 0.0) -> Tensor:
    """Multi-head attention within groups of equal size, which keeps no attention matrix.

    Args:
        rows: (b, G*S, 3*C), the slots of G groups of S, one group after the other: q, k and v
            one after the other, each head by head.
        bias: (G, heads, S, S), added to the scaled scores; of the type of ``rows``.
        scale: Factor of q k^T.
        dropout: Probability of dropping an attention weight. With it the matrices are kept on a CPU.

    Returns:
        (b, G*S, C), heads joined, not projected.
    """
    # CUDA's fused kernel has a gradient for the bias; the CPU's has none, and with
    # one asked for torch would keep every attention matrix.
    trained = torch.is_grad_enabled() and (rows.requires_grad or bias.requires_grad)
    if rows.device.type == 'cpu' and trained and not dropout and not torch.compiler.is_compiling():
        recomputed: Tensor = _RecomputedAttention.apply(rows, bias, scale)
        return recomputed
    return _fused_attention(rows, bias, scale, dropout)


def _fused_attention(rows: Tensor, bias: Tensor, scale: float, dropout: float = 0.0) -> Tensor:
    """:func:`attend_in_groups` by PyTorch's kernels, which read q, k and v where they are."""
    heads, size = bias.shape[1:3]
    parts = rows.view(-1, size, 3, heads, rows.shape[-1] // (3 * heads)).unbind(2)
    q, k, v = (part.transpose(1, 2) for part in parts)  # [b*G, heads, S, D]
    # Not len(), which makes a number of what is a symbol in an exported program.
    if q.shape[0] > bias.shape[0]:
        bias = bias.expand(rows.shape[0], *bias.shape).flatten(0, 1)
    out = F.scaled_dot_product_attention(q, k, v, bias, dropout, scale=scale)
    return out.transpose(1, 2).reshape(*rows.shape[:2], -1)


def _by_head(rows: Tensor, parts: int, bias: Tensor) -> Tensor:
    """See (b, G*S, parts*C) as (parts, b, G, heads, S, D)."""
    groups, heads, size, _ = bias.shape
    return rows.view(len(rows), groups, size, parts, heads, -1).permute(3, 0, 1, 4, 2, 5)


class _RecomputedAttention(torch.autograd.Function):
    """Attention whose backward pass computes the weights anew."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, bias: Tensor, scale: float) -> Tensor:
        ctx.save_for_backward(rows, bias)
        ctx.scale = scale
        # Torch takes its fused kernel only for a bias that asks for no gradient.
        return _fused_attention(rows, bias.detach(), scale)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        rows, bias = ctx.saved_tensors
        grad_rows = torch.empty_like(rows)
        grad_bias = torch.zeros_like(bias, dtype=torch.promote_types(bias.dtype, torch.float32))
        qkv, grad_qkv = _by_head(rows, 3, bias), _by_head(grad_rows, 3, bias)
        grad = _by_head(grad, 1, bias)[0]

        # A few samples at once where they share the bias, else a few groups.
        dim = 0 if len(grad) > 1 else 1
        scores = grad[..., 0].numel() * grad.shape[-2] // grad.shape[dim]
        size = max(1, _SCORES_AT_ONCE // scores)
        for start in range(0, grad.shape[dim], size):
            part = (slice(None),) * dim + (slice(start, start + size),)
            each = (slice(None), *part)  # of q, k and v
            shared = (bias, grad_bias) if dim == 0 else (bias[part[1:]], grad_bias[part[1:]])
            _attention_gradients(qkv[each], grad[part], grad_qkv[each], *shared, ctx.scale)
        return grad_rows, grad_bias.to(bias.dtype), None


#: Attention weights that the backward pass holds at once: 8 MiB in float32.
_SCORES_AT_ONCE = 2**21


def _attention_gradients(
    qkv: Tensor, grad: Tensor, grad_qkv: Tensor, bias: Tensor, grad_bias: Tensor, scale: float
) -> None:
    """Write into ``grad_qkv``, and add to ``grad_bias``, those of softmax(scale q k^T + bias) v."""
    q, k, v = qkv.contiguous().unbind(0)
    grad = grad.contiguous()
    q = q * scale
    weights = (q @ k.transpose(-1, -2)).add_(bias).softmax(-1, dtype=grad_bias.dtype)
    grad_weights = (grad @ v.transpose(-1, -2)).to(weights.dtype)
    grad_scores = torch.ops.aten._softmax_backward_data(grad_weights, weights, -1, weights.dtype)
    grad_bias += grad_scores.sum_to_size(bias.shape)
    weights, grad_scores = weights.to(q.dtype), grad_scores.to(q.dtype)
    grad_qkv[0] = (grad_scores @ k).mul_(scale)
    grad_qkv[1] = grad_scores.transpose(-1, -2) @ q
    grad_qkv[2] = weights.transpose(-1, -2) @ grad
