"""How much features tell apart, without labels: the loss alone does not notice a collapse."""

import torch
from torch import Tensor

# Singular values of more tokens are hardly others, and take long.
_TOKENS = 4096


def effective_rank(features: Tensor) -> float:
    """Number of directions that features fill: RankMe.

    The exponential of the entropy of the singular values, each as a share of their
    sum (Garrido et al., `RankMe <https://arxiv.org/abs/2210.02885>`_, equation 1).

    Args:
        features: (N, C), of one token each. Of more than 4,096, some, evenly spaced.

    Returns:
        From 1, where all are multiples of one, to C.
    """
    features = features[:: -(-len(features) // _TOKENS)]
    values = torch.linalg.svdvals(features.float())
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
