"""Group window attention against attention written out window by window."""

import pytest
import torch

from mmgreen.sparse import Layout, group_window_attention, random_mask


def by_windows(qkv, table, rows, cols, sample, side, shift, heads):
    """Softmax attention of each token over its own window, one token at a time."""
    tokens, channels = qkv.shape[0], qkv.shape[1] // 3
    q, k, v = qkv.view(tokens, 3, heads, -1).unbind(1)
    key = list(
        zip(sample, (rows + side - shift) // side, (cols + side - shift) // side, strict=True)
    )
    out = torch.zeros(tokens, heads, channels // heads)
    for i in range(tokens):
        mates = [j for j in range(tokens) if key[j] == key[i]]
        down = rows[i] - rows[mates] + side - 1
        right = cols[i] - cols[mates] + side - 1
        bias = table[down * (2 * side - 1) + right]  # [mates, heads]
        score = (q[i] * k[mates]).sum(-1) * (channels // heads) ** -0.5 + bias
        out[i] = (score.softmax(0)[..., None] * v[mates]).sum(0)
    return out.view(tokens, channels)


@pytest.mark.parametrize('num_masks', [1, 2])
@pytest.mark.parametrize(('side', 'shift'), [(4, 0), (4, 2), (6, 0), (6, 3)])
def test_equals_attention_window_by_window(side, shift, num_masks):
    heads, channels, batch = 2, 8, 2
    mask = random_mask(3, 3, 0.5, num_masks)  # a map of 12x12
    layout = Layout(mask, 4, [[(side, shift)]])
    tokens = layout.rows.shape[1]
    qkv = torch.randn(batch, tokens, 3 * channels, dtype=torch.double, requires_grad=True)
    table = torch.randn((2 * side - 1) ** 2, heads, dtype=torch.double, requires_grad=True)

    out = group_window_attention(qkv, table, layout.windows[0, side, shift], heads)
    rows, cols = (t.expand(batch, -1).reshape(-1).numpy() for t in (layout.rows, layout.cols))
    sample = torch.arange(batch).repeat_interleave(tokens).tolist()
    expected = by_windows(qkv.flatten(0, 1), table, rows, cols, sample, side, shift, heads)
    expected = expected.view(batch, tokens, channels)
    torch.testing.assert_close(out, expected.double(), atol=1e-6, rtol=1e-5)

    # Gradients, the bias table's included
    weight = torch.randn_like(out)
    ours = torch.autograd.grad((out * weight).sum(), (qkv, table))
    theirs = torch.autograd.grad((expected * weight).sum(), (qkv, table))
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4)


def test_no_token_sees_another_window():
    mask = random_mask(4, 4, 0.5)
    layout = Layout(mask, 8, [[(7, 3)]])
    windows = layout.windows[0, 7, 3]
    tokens = layout.rows.shape[1]
    qkv = torch.randn(1, tokens, 24)
    table = torch.randn(169, 2)
    before = group_window_attention(qkv, table, windows, 2)
    window = windows.window[windows.inverse]
    changed = window == window[0]
    qkv[:, changed] += 5
    after = group_window_attention(qkv, table, windows, 2)
    assert torch.equal(before[:, ~changed], after[:, ~changed])
    assert not torch.allclose(before[:, changed], after[:, changed])
