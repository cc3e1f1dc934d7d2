"""Boxes are sampled without looking twice whether they are distinct."""

from typing import Any

import torch
from mmdet.models.task_modules import AssignResult
from mmdet.models.task_modules import RandomSampler as MMDetRandomSampler
from torch import Tensor

from mmgreen.registry import TASK_UTILS


class _Distinct:
    """Indices that are known to be distinct: sorted, nothing has to be asked of the device."""

    def __init__(self, indices: Tensor) -> None:
        self.indices = indices

    def unique(self) -> Tensor:
        return self.indices.sort().values


@TASK_UTILS.register_module()
class RandomSampler(MMDetRandomSampler):
    """mmdet's sampler, which waits for the device half as often.

    Its samples are the same, and it has the same settings. ``mmgreen train`` uses it in its place.
    """

    def _sample_pos(
        self, assign_result: AssignResult, num_expected: int, **kwargs: Any
    ) -> _Distinct:
        return self._some(assign_result.gt_inds > 0, num_expected)

    def _sample_neg(
        self, assign_result: AssignResult, num_expected: int, **kwargs: Any
    ) -> _Distinct:
        return self._some(assign_result.gt_inds == 0, num_expected)

    def _some(self, which: Tensor, number: int) -> _Distinct:
        indices = torch.nonzero(which).flatten()
        if len(indices) > number:
            indices = self.random_choice(indices, number)
        return _Distinct(indices)
