"""How much features tell apart, without labels: the loss alone does not notice a collapse."""

import torch
from torch import Tensor


def effective_rank(features: Tensor) -> float:
    """Number of directions that features fill: RankMe.

    The exponential of the entropy of the singular values, each as a share of their
    sum (Garrido et al., `RankMe <https://arxiv.org/abs/2210.02885>`_, equation 1).

    Args:
        features: (N, C), of one token each.

    Returns:
        The number, from 1 (all are multiples of one) to C.
    """
    features = features.double()
    # The squares of the singular values are the eigenvalues of a matrix of channels alone.
    values = torch.linalg.eigvalsh(features.t() @ features).clamp(min=0).sqrt()
    shares = values / values.sum().clamp(min=1e-12)
    return float(torch.exp(torch.special.entr(shares).sum()))


def share_within_images(features: Tensor) -> float:
    """Share of the variance of tokens that lies within images.

    Near 0, all tokens of an image say the same, such as its colour, and none what is
    where; a detector then has nothing to begin with.

    Args:
        features: (N, tokens, C), of N images.
    """
    features = features.float()
    within = (features - features.mean(1, keepdim=True)).square().mean()
    total = (features - features.mean((0, 1))).square().mean()
    return float(within / total.clamp(min=1e-12))
