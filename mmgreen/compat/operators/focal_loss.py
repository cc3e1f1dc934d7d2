"""Focal loss of independent and of exclusive classes."""

import torch
import torch.nn.functional as F
from torch import Tensor


def sigmoid_focal_loss_forward(
    input: Tensor, target: Tensor, weight: Tensor, output: Tensor, gamma: float, alpha: float
) -> None:
    """Fill ``output`` with the loss of each class (`Focal Loss <https://arxiv.org/abs/1708.02002>`_).

    Args:
        input: (N, C), logits.
        target: int64, (N,); C or above is background.
        weight: (C,), by the target's class, background 1; or empty.
        output: (N, C).
        gamma: Exponent, eq. 4.
        alpha: Weight of what is there, eq. 5.
    """
    output.copy_(_sigmoid_loss(input, target, weight, gamma, alpha))


def sigmoid_focal_loss_backward(
    input: Tensor, target: Tensor, weight: Tensor, grad_input: Tensor, gamma: float, alpha: float
) -> None:
    """Fill ``grad_input`` (N, C) with the derivative of each loss by its logit."""
    with torch.enable_grad():
        logits = input.detach().requires_grad_()
        loss = _sigmoid_loss(logits, target, weight, gamma, alpha)
        grad_input.copy_(torch.autograd.grad(loss.sum(), logits)[0])


def softmax_focal_loss_forward(
    softmax: Tensor, target: Tensor, weight: Tensor, output: Tensor, gamma: float, alpha: float
) -> None:
    """Fill ``output`` (N,) with the loss of each target.

    Args:
        softmax: (N, C), probabilities.
        target: int64, (N,); below 0 is ignored.
        weight: (C,), by the target's class, or empty.
        output: (N,).
        gamma: Exponent.
        alpha: Weight of all.
    """
    found, there = _of_target(softmax, target)
    loss = -alpha * (1 - found) ** gamma * found.log()
    output.copy_(loss * _weights(weight, target, there))


def softmax_focal_loss_backward(
    softmax: Tensor,
    target: Tensor,
    weight: Tensor,
    buff: Tensor,
    grad_input: Tensor,
    gamma: float,
    alpha: float,
) -> None:
    """Fill ``grad_input`` (N, C) with the derivative of each loss by the logits.

    ``buff`` (N,) is filled with what all classes of a target share.
    """
    found, there = _of_target(softmax, target)
    shared = alpha * (
        gamma * (1 - found) ** (gamma - 1) * found * found.log() - (1 - found) ** gamma
    )
    buff.copy_(shared * _weights(weight, target, there))
    is_target = F.one_hot(target.clamp(min=0), softmax.shape[1])
    grad_input.copy_(buff[:, None] * (is_target - softmax))


def _sigmoid_loss(
    logits: Tensor, target: Tensor, weight: Tensor, gamma: float, alpha: float
) -> Tensor:
    classes = logits.shape[1]
    positive = F.one_hot(target.clamp(max=classes), classes + 1)[:, :classes].to(logits.dtype)
    entropy = F.binary_cross_entropy_with_logits(logits, positive, reduction='none')
    wrong = torch.sigmoid(torch.where(positive > 0, -logits, logits))
    loss = torch.where(positive > 0, alpha, 1 - alpha) * wrong**gamma * entropy
    if weight.numel():
        loss = loss * torch.cat([weight, weight.new_ones(1)])[target.clamp(max=classes), None]
    return loss


def _of_target(softmax: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Probabilities of the targets, and which targets are not ignored."""
    found = softmax.gather(1, target.clamp(min=0)[:, None])[:, 0]
    return found.clamp(min=torch.finfo(softmax.dtype).tiny), target >= 0


def _weights(weight: Tensor, target: Tensor, there: Tensor) -> Tensor:
    return there * weight[target.clamp(min=0)] if weight.numel() else there
