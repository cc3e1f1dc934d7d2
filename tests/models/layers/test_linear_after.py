"""A linear layer that computes the norm or activation before it twice, and keeps less."""

import pytest
import torch
from torch import nn
from torch.autograd.graph import saved_tensors_hooks

from mmgreen.models.layers import linear as linear_alone
from mmgreen.models.layers import linear_after

BEFORE = [nn.LayerNorm(12), nn.GELU(), nn.GELU('tanh'), nn.ReLU(), nn.LayerNorm(12, bias=False)]


def gradients(before, linear, x, weight):
    inputs = [x, *before.parameters(), *linear.parameters()]
    plain = torch.autograd.grad((linear(before(x)) * weight).sum(), inputs)
    ours = torch.autograd.grad((linear_after(before, x, linear) * weight).sum(), inputs)
    return plain, ours


@pytest.mark.parametrize('before', BEFORE, ids=str)
@pytest.mark.parametrize('bias', [True, False])
def test_equals_one_after_the_other(before, bias):
    for parameter in before.parameters():
        nn.init.normal_(parameter)
    linear = nn.Linear(12, 5, bias=bias)
    x = torch.randn(3, 7, 12, requires_grad=True)
    out = linear_after(before, x, linear)
    assert torch.equal(out, linear(before(x)))
    for expected, found in zip(*gradients(before, linear, x, torch.randn(3, 7, 5)), strict=True):
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize('before', BEFORE[:2], ids=str)
def test_keeps_the_input_only(before):
    linear, x = nn.Linear(12, 5), torch.randn(3, 7, 12, requires_grad=True)
    kept = []
    with saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        linear_after(before, x, linear)
    assert [t.data_ptr() for t in kept if t.numel() == x.numel()] == [x.data_ptr()]


@pytest.mark.parametrize('before', BEFORE[:2], ids=str)
def test_under_autocast(before):
    """Results and gradients in the types of the usual layers, and close to theirs."""
    linear, x = nn.Linear(12, 5), torch.randn(3, 7, 12, requires_grad=True)
    with torch.autocast('cpu', torch.bfloat16):
        assert linear_after(before, x, linear).dtype == torch.bfloat16
        plain, ours = gradients(before, linear, x, torch.randn(3, 7, 5))
    for expected, found in zip(plain, ours, strict=True):
        assert found.dtype == expected.dtype
        torch.testing.assert_close(found, expected, atol=0.05, rtol=0.05)


def test_frozen_layers_still_pass_gradients_on():
    linear, x = nn.Linear(12, 5).requires_grad_(False), torch.randn(2, 12, requires_grad=True)
    linear_after(nn.GELU(), x, linear).sum().backward()
    assert x.grad.abs().sum() > 0
    assert linear.weight.grad is None


@pytest.mark.parametrize('bias', [True, False])
def test_alone_it_is_the_layer(bias):
    """To the bit without autocast; under it with gradients of the parameters' type, close to the layer's."""
    layer, x = nn.Linear(12, 5, bias=bias), torch.randn(3, 7, 12, requires_grad=True)
    assert torch.equal(linear_alone(x, layer), layer(x))
    weight, inputs = torch.randn(3, 7, 5), [x, *layer.parameters()]
    with torch.autocast('cpu', torch.bfloat16):
        plain, ours = (
            torch.autograd.grad((out * weight).sum(), inputs)
            for out in (layer(x), linear_alone(x, layer))
        )
    for expected, found in zip(plain, ours, strict=True):
        assert found.dtype == expected.dtype == torch.float32
        torch.testing.assert_close(found, expected, atol=0.05, rtol=0.05)


@pytest.mark.parametrize('before', BEFORE[:2], ids=str)
def test_sums_of_half_precision_are_more_exact_than_usual(before):
    """Of many rows: the gradient of the bias is a sum in float32."""
    torch.manual_seed(0)
    linear, x = nn.Linear(12, 5), torch.randn(4096, 12)
    weight = torch.rand(4096, 5).bfloat16()
    with torch.autocast('cpu', torch.bfloat16):
        out = linear_after(before, x, linear)
    (found,) = torch.autograd.grad(out, linear.bias, weight)
    torch.testing.assert_close(found, weight.double().sum(0).float())
