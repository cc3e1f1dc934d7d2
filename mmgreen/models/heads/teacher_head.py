"""Features of a frozen teacher as the target."""

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from mmgreen.errors import UserError
from mmgreen.registry import MODELS

from ..teachers import Teacher
from .target_head import TargetHead, cut_units

_LOSSES = ('mse', 'smooth_l1', 'cosine')


@MODELS.register_module()
class TeacherHead(TargetHead):
    """Predicts what a teacher, which sees the whole image, says of each unit.

    Features of a net that was trained before are among the targets that `Masked Feature Prediction
    for Self-Supervised Visual Pre-Training <https://arxiv.org/abs/2112.09133>`_ compares. A unit's
    prediction is compared with the place of the teacher's maps where the unit is.

    Args:
        teacher: Arguments of :class:`Teacher`, such as ``dict(model=..., depths=...)``.
        patch_size: Side of a mask unit in pixels.
        loss: ``'mse'``, ``'smooth_l1'``, or ``'cosine'``, one less the cosine.
        visible: Whether visible units are predicted, too, from which a net learns more in the same time.

    Raises:
        UserError: If the teacher cannot be had, or the loss is not known.
    """

    def __init__(
        self,
        teacher: dict[str, Any],
        patch_size: int = 32,
        loss: str = 'mse',
        visible: bool = True,
    ) -> None:
        super().__init__()
        if loss not in _LOSSES:
            raise UserError(
                f"TeacherHead.loss '{loss}' is unknown: choose from {', '.join(_LOSSES)}"
            )
        self.patch_size, self.loss_name, self.visible = patch_size, loss, visible
        self.teacher = Teacher(**teacher, unit=patch_size)

    @property
    def values(self) -> int:
        return sum(self.teacher.channels)

    def sees(self, mean: Tensor, std: Tensor, rgb: bool) -> None:
        self.teacher.sees(mean, std, rgb)

    def target(self, images: Tensor, units: Tensor, samples: Sequence[Any] | None = None) -> Tensor:
        maps = self.teacher.features(images, samples)
        return cut_units(maps, 1, units).flatten(2)

    def compare(self, pred: Tensor, target: Tensor) -> Tensor:
        pred = pred.float()
        if self.loss_name == 'cosine':
            return 1 - F.cosine_similarity(pred, target, dim=2).mean()
        return (F.mse_loss if self.loss_name == 'mse' else F.smooth_l1_loss)(pred, target)

    def scales(self) -> list[slice]:
        ends = list(accumulate(self.teacher.channels, initial=0))
        return [slice(begin, end) for begin, end in pairwise(ends)]
