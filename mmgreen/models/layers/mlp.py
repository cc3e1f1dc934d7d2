"""The MLP of a transformer block, without what can be computed again."""

from mmcv.cnn.bricks.transformer import FFN
from torch import Tensor, nn

from .linear_after import linear_after


def norm_and_mlp(norm: nn.Module, ffn: FFN, x: Tensor) -> Tensor:
    """The branch of a block that is norm and MLP, without drop path.

    Args:
        norm: Before the MLP.
        ffn: mmcv's MLP.
        x: (..., C).
    """
    if len(ffn.layers) != 3 or ffn.layers[-1].p:
        # More layers than the usual two, or dropout between them.
        return ffn.gamma2(ffn.layers(norm(x)))
    (up, activation, _), down, _ = ffn.layers
    return ffn.gamma2(linear_after(activation, linear_after(norm, x, up), down))
