"""The MLP of a transformer block, without what can be computed again."""

from collections.abc import Callable

from mmcv.cnn.bricks.transformer import FFN
from torch import Tensor, nn

from .linear_after import linear_after

#: ``linear(before(x))``, of a norm or an activation and the layer that follows.
LinearAfter = Callable[[nn.Module, Tensor, nn.Linear], Tensor]


def linear_keeping(before: nn.Module, x: Tensor, linear: nn.Linear) -> Tensor:
    """:func:`linear_after` that keeps what came before."""
    return linear(before(x))


def norm_and_mlp(
    norm: nn.Module, ffn: FFN, x: Tensor, linear: LinearAfter = linear_after
) -> Tensor:
    """The branch of a block that is norm and MLP, without drop path.

    Args:
        norm: Before the MLP.
        ffn: mmcv's MLP.
        x: (..., C).
        linear: :func:`linear_after` or :func:`linear_keeping`.
    """
    if len(ffn.layers) != 3 or ffn.layers[-1].p:
        # More layers than the usual two, or dropout between them.
        return ffn.gamma2(ffn.layers(norm(x)))
    (up, activation, _), down, _ = ffn.layers
    return ffn.gamma2(linear(activation, linear(norm, x, up), down))
