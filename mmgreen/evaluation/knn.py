"""Classification by nearest neighbours: what features know without training."""

import torch.nn.functional as F
from torch import Tensor

#: Similarities that are in memory at once.
_AT_ONCE = 2**26


def knn_predict(
    features: Tensor,
    bank: Tensor,
    labels: Tensor,
    num_classes: int,
    k: int = 20,
    temperature: float = 0.07,
) -> Tensor:
    """Class scores by a weighted vote of the k nearest neighbours.

    The protocol of Wu et al. (`Unsupervised Feature Learning via Non-Parametric
    Instance Discrimination <https://arxiv.org/abs/1805.01978>`_, section 3.4):
    cosine similarity s, votes weighted by exp(s / temperature). Every channel
    is standardised over the bank before, as batch norm does in MAE's linear
    probing: features of masked image modelling share a large mean, beside
    which all cosines look alike.

    Args:
        features: (N, C), what to classify.
        bank: (M, C), features of known class.
        labels: int64, (M,), their classes.
        num_classes: Number of classes.
        k: Neighbours that vote; all of them where there are fewer.
        temperature: The lower, the more the nearest count.

    Returns:
        (N, num_classes), sums of votes.
    """
    features, bank = standardise(features, bank)
    features, bank = F.normalize(features, dim=1), F.normalize(bank, dim=1)
    scores = features.new_zeros(len(features), num_classes)
    # The similarities of ImageNet's images would be 256 GB: some rows are computed at a time.
    for start in range(0, len(features), max(1, _AT_ONCE // len(bank))):
        rows = slice(start, start + max(1, _AT_ONCE // len(bank)))
        nearest, indices = (features[rows] @ bank.t()).topk(min(k, len(bank)), dim=1)
        votes = ((nearest - 1) / temperature).exp()  # at most 1: a low temperature cannot overflow
        scores[rows].scatter_add_(1, labels[indices], votes)
    return scores


def standardise(features: Tensor, bank: Tensor) -> tuple[Tensor, Tensor]:
    """Both with a mean of zero and a deviation of one in every channel of the bank."""
    mean, deviation = bank.mean(0), bank.std(0, unbiased=False).clamp(min=1e-6)
    return (features - mean) / deviation, (bank - mean) / deviation
