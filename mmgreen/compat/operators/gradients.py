"""Backward passes by torch's own gradients of forward ones."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor


def gradients(
    forward: Callable[..., Tensor], inputs: Sequence[Tensor], grad_output: Tensor
) -> tuple[Tensor, ...]:
    """Gradients of a function by its inputs.

    mmcv saves the inputs of an operator and not what happened in it, so the forward pass is
    computed once more.

    Args:
        forward: It takes ``inputs`` and gives a tensor of the shape of ``grad_output``.
        inputs: Tensors of floating point.
        grad_output: Gradient of what it gives.

    Returns:
        One for each input; zeros where it has no influence.
    """
    with torch.enable_grad():
        leaves = [x.detach().requires_grad_() for x in inputs]
        found = torch.autograd.grad(
            forward(*leaves), leaves, grad_output, allow_unused=True, materialize_grads=True
        )
    return found
