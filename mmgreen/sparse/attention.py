"""Group window attention over visible tokens (GreenMIM, section 3.2)."""

import torch.nn.functional as F
from torch import Tensor

from .layout import Windows


def group_window_attention(
    qkv: Tensor,
    bias_table: Tensor,
    windows: Windows,
    num_heads: int,
    scale: float | None = None,
    dropout: float = 0.0,
    outside: Tensor | None = None,
) -> Tensor:
    """Multi-head attention inside windows that are packed into equal groups.

    Only q, k and v are gathered into groups and only the result is gathered
    back: projections and everything after them never meet padding.

    Args:
        qkv: (B, N, 3*C), projected tokens, q, k and v one after the other, each
            head by head (the order of Swin's ``qkv`` layer).
        bias_table: ((2w-1)**2, num_heads), relative position bias.
        windows: The pattern; it covers N tokens (one mask for the batch) or
            B*N (one mask per sample), and nothing else changes.
        num_heads: Heads; they divide C.
        scale: Factor of q k^T, ``(C / num_heads) ** -0.5`` by default.
        dropout: Probability of dropping an attention weight.
        outside: (3*C,), what a zero token projects to (the bias of the qkv
            layer): the q, k, v of positions beyond the map's border. Zeros by
            default.

    Returns:
        (B, N, C), heads joined, not projected.
    """
    batch, tokens, channels = qkv.shape[0], qkv.shape[1], qkv.shape[2] // 3
    groups, size, head_dim = windows.num_groups, windows.group_size, channels // num_heads

    # [3, b, heads, G*S, D]; b is the batch, or 1 where the masks differ
    qkv = qkv.reshape(-1, windows.num_tokens, 3, num_heads, head_dim).permute(2, 0, 3, 1, 4)
    qkv = qkv.index_select(3, windows.slots)
    if windows.has_outside:
        fill = outside.view(3, 1, num_heads, 1, head_dim) if outside is not None else 0.0
        qkv = qkv.where(windows.outside[:, None] == 0, fill)
    q, k, v = qkv.view(3, -1, num_heads * groups, size, head_dim).unbind(0)

    # Pairs of different windows look up the added last column: minus infinity.
    # Every slot shares a window with itself, so no row of the mask is empty.
    table = F.pad(bias_table.t(), (0, 1), value=float('-inf'))
    bias = table[:, windows.relative].view(1, num_heads * groups, size, size)
    out = F.scaled_dot_product_attention(
        q, k, v, attn_mask=bias.to(q.dtype), dropout_p=dropout, scale=scale
    )

    # [b, G*S, heads, D] -> [b, tokens, heads, D]
    out = out.reshape(-1, num_heads, groups * size, head_dim).transpose(1, 2)
    return out.index_select(1, windows.inverse).reshape(batch, tokens, channels)
