"""Boxes are given to objects without a word to the host."""

import torch
from mmdet.models.task_modules import AssignResult
from mmdet.models.task_modules import MaxIoUAssigner as MMDetMaxIoUAssigner
from torch import Tensor

from mmgreen.registry import TASK_UTILS


@TASK_UTILS.register_module()
class MaxIoUAssigner(MMDetMaxIoUAssigner):
    """mmdet's assigner, which asks the device once for nothing, where mmdet's asks twice for each object.

    Its results are the same, ties included, and it has the same settings. ``mmgreen train`` uses it in its
    place.
    """

    def assign_wrt_overlaps(self, overlaps: Tensor, gt_labels: Tensor) -> AssignResult:
        """Assign by overlaps.

        Args:
            overlaps: (k, n), IoU of k objects and n boxes.
            gt_labels: (k,).
        """
        number, boxes = overlaps.shape
        if not number or not boxes:
            return super().assign_wrt_overlaps(overlaps, gt_labels)
        best, which = overlaps.max(0)
        taken = torch.full_like(which, -1)
        if isinstance(self.neg_iou_thr, float | tuple):
            low, high = (
                self.neg_iou_thr if isinstance(self.neg_iou_thr, tuple) else (0, self.neg_iou_thr)
            )
            taken = torch.where((best >= low) & (best < high), 0, taken)
        taken = torch.where(best >= self.pos_iou_thr, which + 1, taken)
        if self.match_low_quality:
            # The boxes nearest to an object are its own; of several objects the last one's.
            most, nearest = overlaps.max(1)
            ids = torch.arange(1, number + 1, dtype=torch.int32, device=overlaps.device)
            ids = torch.where(most >= self.min_pos_iou, ids, 0)
            if self.gt_max_assign_all:
                own = torch.where(overlaps == most[:, None], ids[:, None], 0).amax(0)
            else:
                own = ids.new_zeros(boxes).scatter_reduce_(0, nearest, ids, 'amax')
            taken = torch.where(own > 0, own.long(), taken)
        labels = torch.where(taken > 0, gt_labels[(taken - 1).clamp(min=0)], -1)
        return AssignResult(num_gts=number, gt_inds=taken, max_overlaps=best, labels=labels)
