"""Group window attention against attention written out window by window."""

import pytest
import torch
from torch.autograd.graph import saved_tensors_hooks

import mmgreen.sparse.attention
from mmgreen.sparse import Layout, Window, group_window_attention, pair_bias, random_mask


def attend(qkv, table, windows, **settings):
    """Attention with the bias of one table."""
    (bias,) = pair_bias([table], windows)
    return group_window_attention(qkv, bias, windows, **settings)


def example(num_masks=1, batch=2, side=7, shift=3, heads=2, channels=32, dtype=torch.float32):
    """Random arguments for one attention over half of an image of 4x4 units."""
    layout = Layout(random_mask(4, 4, 0.5, num_masks), 8, [[(side, shift)], [], [], []])
    tokens = layout.rows.shape[1]
    qkv = torch.randn(batch, tokens, 3 * channels, dtype=dtype, requires_grad=True)
    table = torch.randn((2 * side - 1) ** 2, heads, dtype=dtype, requires_grad=True)
    return qkv, table, layout.windows[0, Window(side, shift)], heads


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
    layout = Layout(mask, 4, [[(side, shift)], [], []])
    tokens = layout.rows.shape[1]
    qkv = torch.randn(batch, tokens, 3 * channels, dtype=torch.double, requires_grad=True)
    table = torch.randn((2 * side - 1) ** 2, heads, dtype=torch.double, requires_grad=True)

    out = attend(qkv, table, layout.windows[0, Window(side, shift)])
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
    layout = Layout(mask, 8, [[(7, 3)], [], [], []])
    windows = layout.windows[0, Window(7, 3)]
    tokens = layout.rows.shape[1]
    qkv = torch.randn(1, tokens, 24)
    table = torch.randn(169, 2)
    before = attend(qkv, table, windows)
    window = windows.window[windows.inverse]
    changed = window == window[0]
    qkv[:, changed] += 5
    after = attend(qkv, table, windows)
    assert torch.equal(before[:, ~changed], after[:, ~changed])
    assert not torch.allclose(before[:, changed], after[:, changed])


def test_no_attention_matrix_is_kept():
    qkv, table, windows, heads = example(batch=8, heads=16)
    (bias,) = pair_bias([table], windows)  # one for the batch
    kept = []
    with saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        group_window_attention(qkv, bias, windows)
    assert any(t is bias for t in kept)
    matrix = heads * windows.num_groups * windows.group_size**2
    padded = len(windows.slots) / windows.num_tokens
    others = sum(t.numel() for t in kept if t.is_floating_point() and t is not bias)
    assert others < 1.1 * padded * qkv.numel()
    assert 1.1 * padded * qkv.numel() < len(qkv) * matrix  # else there would be nothing to show


@pytest.mark.parametrize('num_masks', [1, 2])
def test_a_few_scores_at_once_give_the_same_gradients(num_masks, monkeypatch):
    qkv, table, windows, heads = example(num_masks)
    results = []
    for at_once in (2**21, 1):
        monkeypatch.setattr(mmgreen.sparse.attention, '_SCORES_AT_ONCE', at_once)
        out = attend(qkv, table, windows)
        results.append(torch.autograd.grad(out.square().sum(), (qkv, table)))
    for once, parts in zip(*results, strict=True):
        torch.testing.assert_close(once, parts)


@pytest.mark.parametrize('num_masks', [1, 2])
def test_a_gradient_without_memory_of_its_own(num_masks):
    """The gradient of a sum is one number, expanded."""
    qkv, table, windows, heads = example(num_masks)
    out = attend(qkv, table, windows)
    ones = torch.autograd.grad(out, (qkv, table), torch.ones_like(out), retain_graph=True)
    for a, b in zip(torch.autograd.grad(out.sum(), (qkv, table)), ones, strict=True):
        torch.testing.assert_close(a, b)


def test_gradients_are_those_of_finite_differences():
    qkv, table, windows, heads = example(batch=1, heads=1, channels=1, dtype=torch.double)
    assert torch.autograd.gradcheck(
        lambda qkv, table: attend(qkv, table, windows),
        (qkv, table),
        fast_mode=True,
    )


def test_dropout_drops_weights_and_keeps_their_sum():
    qkv, table, windows, _ = example(side=8, shift=4)  # no position lies beyond the border
    with torch.no_grad():
        qkv[..., 64:] = 1.0  # every value is 1, so the result is the sum of the weights
    out = attend(qkv, table, windows, dropout=0.5)
    assert out.std() > 0.1
    assert out.mean().item() == pytest.approx(1, abs=0.05)
    out.sum().backward()
    assert qkv.grad.isfinite().all()
