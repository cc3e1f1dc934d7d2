"""Operators whose gradients gather: those of plain PyTorch, as functions and in compiled code."""

import pytest
import torch

from mmgreen.sparse.operators import fill, gather, look_up

TOKENS, SLOTS = 5, 8


def of_gather():
    """Tokens to slots, of which three are empty; in slot 6 a gradient must not arrive."""
    index = torch.tensor([3, 0, 0, 4, 1, 0, 2, 0], dtype=torch.int32)
    back = torch.tensor([1, 4, 6, 0, 3], dtype=torch.int32)
    x = torch.randn(2, TOKENS, 3, dtype=torch.double, requires_grad=True)
    kept = torch.zeros(1, SLOTS, 1, dtype=torch.double)
    kept[:, [0, 1, 3, 4, 6]] = 1
    # As in attention, what is in an empty slot leads nowhere.
    return gather, (x, index, back, None), lambda x: x[:, index.long()], kept


def of_look_up():
    columns = torch.randn(4, 6, dtype=torch.double, requires_grad=True)
    index = torch.tensor([5, 1, 1, 5, 0, 4, 5], dtype=torch.int32)
    where = (index != 5).nonzero().flatten()

    def plain(columns):
        return torch.cat([columns[:, :5], columns[:, 5:].detach()], 1)[:, index.long()]

    return look_up, (columns, index, where, index[where], torch.double), plain, 1


def of_fill():
    x = torch.randn(2, TOKENS, 3, dtype=torch.double, requires_grad=True)
    stand_in = torch.randn(3, dtype=torch.double, requires_grad=True)
    place = torch.tensor([0, 2, 3, 6, 7], dtype=torch.int32)
    source = torch.tensor([0, 5, 1, 2, 5, 5, 3, 4], dtype=torch.int32)
    empty = torch.tensor([1, 4, 5], dtype=torch.int32)

    def plain(x, stand_in):
        out = stand_in.expand(2, SLOTS, 3).clone()
        out[:, place.long()] = x
        return out

    return fill, (x, stand_in, source, place, empty), plain, 1


@pytest.mark.parametrize('made', [of_gather, of_look_up, of_fill])
@pytest.mark.parametrize('compiled', [False, True], ids=['function', 'operator'])
def test_results_and_gradients_are_those_of_plain_pytorch(made, compiled):
    torch.manual_seed(0)
    operator, args, plain, kept = made()
    trained = [x for x in args if isinstance(x, torch.Tensor) and x.requires_grad]
    out = (operator.compiled if compiled else operator)(*args)
    expected = plain(*trained)
    assert torch.equal(out, expected)
    weight = torch.randn_like(out) * kept
    found = torch.autograd.grad(out, trained, weight)
    for gradient, other in zip(found, torch.autograd.grad(expected, trained, weight), strict=True):
        torch.testing.assert_close(gradient, other)


@pytest.mark.parametrize('made', [of_gather, of_look_up, of_fill])
def test_compilers_can_take_them(made):
    torch.manual_seed(0)
    operator, args, *_ = made()
    torch.library.opcheck(operator.compiled, args)


def test_rows_whose_gradient_is_zero():
    x = torch.randn(1, SLOTS, 3, requires_grad=True)
    index = torch.tensor([1, 4], dtype=torch.int32)
    back = torch.zeros(SLOTS, dtype=torch.int32)
    gather(x, index, back, torch.tensor([2, 3])).sum().backward()
    assert (x.grad[0, 2:4] == 0).all()
    assert (x.grad[0, 4:] == 1).all()
