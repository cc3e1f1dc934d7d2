"""Group window attention over visible tokens (GreenMIM, section 3.2)."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .layout import Windows


# What varies from mask to mask, the number of groups and their size, stays inside
# this function: compiled code around it has fixed shapes and is never made anew.
@torch.compiler.disable  # type: ignore[untyped-decorator]
def group_window_attention(
    qkv: Tensor,
    bias_table: Tensor,
    windows: Windows,
    num_heads: int,
    scale: float | None = None,
    dropout: float = 0.0,
    beyond: Tensor | None = None,
) -> Tensor:
    """Multi-head attention inside windows that are packed into equal groups.

    Only q, k and v are gathered into groups and only the result is gathered
    back: projections and everything after them never meet padding. No attention
    matrix is kept for the backward pass.

    Args:
        qkv: (B, N, 3*C), projected tokens, q, k and v one after the other, each
            head by head (the order of Swin's ``qkv`` layer).
        bias_table: ((2w-1)**2, num_heads), relative position bias.
        windows: The pattern; it covers N tokens (one mask for the batch) or
            B*N (one mask per sample), and nothing else changes.
        num_heads: Heads; they divide C.
        scale: Factor of q k^T, ``(C / num_heads) ** -0.5`` by default.
        dropout: Probability of dropping an attention weight.
        beyond: (3*C,), what a zero token projects to (the bias of the qkv
            layer): the q, k, v of positions beyond the map's border. Zeros by
            default.

    Returns:
        (B, N, C), heads joined, not projected.
    """
    batch, tokens, channels = qkv.shape[0], qkv.shape[1], qkv.shape[2] // 3
    head_dim = channels // num_heads

    # [3, b, heads, G*S, D]; b is the batch, or 1 where the masks differ
    qkv = qkv.reshape(-1, windows.num_tokens, 3, num_heads, head_dim).permute(2, 0, 3, 1, 4)
    if not windows.in_order:
        qkv = _Group.apply(qkv, windows.slots, windows.inverse)
    if len(windows.beyond):
        fill = qkv.new_zeros(3 * channels) if beyond is None else beyond.to(qkv.dtype)
        fill = fill.view(3, 1, num_heads, 1, head_dim).expand(-1, qkv.shape[1], -1, 1, -1)
        qkv = qkv.index_copy(3, windows.beyond, fill.expand(-1, -1, -1, len(windows.beyond), -1))
    shape = (3, -1, num_heads * windows.num_groups, windows.group_size, head_dim)
    scale = head_dim**-0.5 if scale is None else scale
    out = _attend(qkv.view(shape), bias_table, windows, scale, dropout)
    joined: Tensor = _Ungroup.apply(out, windows, num_heads)
    return joined.view(batch, tokens, channels)


class _Group(torch.autograd.Function):
    """(..., tokens, D) to (..., slots, D). Backwards a gather too, not a scatter.

    Every token has one slot, and nothing that is done in a slot without a token
    reaches the result: its gradient is zero.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, slots: Tensor, inverse: Tensor) -> Tensor:
        ctx.save_for_backward(inverse)
        return x.index_select(-2, slots)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        (inverse,) = ctx.saved_tensors
        return grad.index_select(-2, inverse), None, None


class _Ungroup(torch.autograd.Function):
    """(b, heads*G, S, D) to (b, tokens, heads*D), and backwards with zeros where no token is."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, windows: Windows, num_heads: int) -> Tensor:
        ctx.windows, ctx.shape = windows, x.shape
        x = x.view(len(x), num_heads, windows.num_groups, windows.group_size, -1)
        x = x.permute(0, 2, 3, 1, 4).reshape(len(x), len(windows.slots), -1)
        return x if windows.in_order else x.index_select(1, windows.inverse)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        windows, (batch, rows, _, head_dim) = ctx.windows, ctx.shape
        heads = rows // windows.num_groups
        grad = grad.reshape(batch, -1, heads, head_dim).transpose(1, 2)
        if not windows.in_order:
            grad = grad.index_select(2, windows.slots).index_fill_(2, windows.empty, 0)
        return grad.reshape(ctx.shape), None, None


def _attend(
    qkv: Tensor, bias_table: Tensor, windows: Windows, scale: float, dropout: float
) -> Tensor:
    """Attention of (3, b, heads*G, S, D), the bias and mask broadcast over b."""
    # CUDA's fused kernel has a gradient for the bias; the CPU's has none, and with
    # one asked for torch would keep every attention matrix.
    if qkv.device.type == 'cpu' and not dropout:
        recomputed: Tensor = _RecomputedAttention.apply(qkv, bias_table, windows, scale)
        return recomputed
    # Looked up in float32: the gradient of an entry is a sum over many pairs.
    bias = _pair_bias(bias_table, windows).to(qkv.dtype)
    q, k, v = qkv.unbind(0)
    return F.scaled_dot_product_attention(q, k, v, bias, dropout, scale=scale)


def _pair_bias(table: Tensor, windows: Windows) -> Tensor:
    """(1, heads*G, S, S): the bias of each pair, minus infinity between windows."""
    # Pairs of different windows look up the added last column. Every slot shares a
    # window with itself, so no row of the bias is all minus infinity.
    columns = F.pad(table.t(), (0, 1), value=float('-inf'))
    bias = columns.index_select(1, windows.relative)
    return bias.view(1, -1, windows.group_size, windows.group_size)


class _RecomputedAttention(torch.autograd.Function):
    """Attention whose backward pass computes bias and weights anew."""

    @staticmethod
    def forward(ctx: Any, qkv: Tensor, table: Tensor, windows: Windows, scale: float) -> Tensor:
        ctx.save_for_backward(qkv, table)
        ctx.windows, ctx.scale = windows, scale
        # Torch takes its fused kernel only for a bias that asks for no gradient.
        bias = _pair_bias(table.detach(), windows).to(qkv.dtype)
        q, k, v = qkv.unbind(0)
        return F.scaled_dot_product_attention(q, k, v, bias, scale=scale)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        qkv, table = ctx.saved_tensors
        bias = _pair_bias(table, ctx.windows).to(qkv.dtype)
        grad_qkv = torch.empty_like(qkv)
        grad_bias = torch.zeros_like(bias, dtype=torch.promote_types(bias.dtype, torch.float32))

        # A few samples at once where they share the bias, else a few groups.
        dim = 0 if len(grad) > 1 else 1
        scores = grad[..., 0].numel() * grad.shape[-2] // grad.shape[dim]
        size = max(1, _SCORES_AT_ONCE // scores)
        for start in range(0, grad.shape[dim], size):
            part = (slice(None),) * dim + (slice(start, start + size),)
            each = (slice(None), *part)  # of q, k and v
            shared = (bias, grad_bias) if dim == 0 else (bias[part], grad_bias[part])
            _attention_gradients(qkv[each], grad[part], grad_qkv[each], *shared, ctx.scale)

        rows, heads = table.shape
        grad_columns = grad_bias.new_zeros(heads, rows + 1)
        grad_columns.index_add_(1, ctx.windows.relative, grad_bias.view(heads, -1))
        return grad_qkv, grad_columns[:, :-1].t().to(table.dtype), None, None


#: Attention weights that the backward pass holds at once: 8 MiB in float32.
_SCORES_AT_ONCE = 2**21


def _attention_gradients(
    qkv: Tensor, grad: Tensor, grad_qkv: Tensor, bias: Tensor, grad_bias: Tensor, scale: float
) -> None:
    """Write into ``grad_qkv``, and add to ``grad_bias``, those of softmax(scale q k^T + bias) v."""
    q, k, v = qkv.unbind(0)
    q = q * scale
    weights = (q @ k.transpose(-1, -2)).add_(bias).softmax(-1, dtype=grad_bias.dtype)
    grad_weights = (grad @ v.transpose(-1, -2)).to(weights.dtype)
    grad_scores = torch.ops.aten._softmax_backward_data(grad_weights, weights, -1, weights.dtype)
    grad_bias += grad_scores.sum_to_size(bias.shape)
    weights, grad_scores = weights.to(q.dtype), grad_scores.to(q.dtype)
    torch.matmul(grad_scores, k, out=grad_qkv[0]).mul_(scale)
    torch.matmul(grad_scores.transpose(-1, -2), q, out=grad_qkv[1])
    torch.matmul(weights.transpose(-1, -2), grad, out=grad_qkv[2])
