"""A net of timm as a backbone, with the weights that it comes with."""

from collections.abc import Sequence

from mmengine.model import BaseModule
from torch import Tensor

from mmgreen.registry import MODELS

from ..timm_nets import load_timm


@MODELS.register_module()
class TimmBackbone(BaseModule):
    """A net of timm that gives maps, for detectors.

    Unlike mmpretrain's, it reads its weights when a training begins and not when it is built, so that a
    test needs no download; and from files that name them otherwise. It has no sparse path.

    Args:
        model: Its name, such as ``'tf_efficientnet_lite0'``.
        checkpoint: File of its weights, by timm's names, or by others in the same order and shapes; None
            takes those that come with the name, ``''`` leaves them drawn.
        out_indices: Which of its maps, from fine to coarse.
        init_cfg: Initialisation instead of that, as of a checkpoint of this backbone.

    Raises:
        UserError: If timm does not know the net, or, when a training begins, the weights cannot be had.
    """

    def __init__(
        self,
        model: str,
        checkpoint: str | None = None,
        out_indices: Sequence[int] = (1, 2, 3, 4),
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.model, self.checkpoint, self.out_indices = model, checkpoint, tuple(out_indices)
        self.net = load_timm(model, '', self.out_indices)

    def init_weights(self) -> None:
        """Read the weights."""
        if self.init_cfg:
            super().init_weights()
        elif self.checkpoint != '':
            trained = load_timm(self.model, self.checkpoint, self.out_indices)
            self.net.load_state_dict(trained.state_dict())

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Maps of images, (B, 3, H, W) to (B, C, h, w) each."""
        return tuple(self.net(x))
