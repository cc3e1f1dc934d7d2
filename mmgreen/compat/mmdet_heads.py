"""Heads of mmdet that fail where they need not."""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


def complete_ssd(module: ModuleType) -> None:
    """Let SSD's head say that it has no loss by categories of its own.

    Since mmdet's heads can have categories of other kinds, predicting asks ``loss_cls`` for them,
    which SSD's head, that computes its loss itself, does not have.

    Args:
        module: ``mmdet.models.dense_heads.ssd_head``.
    """
    if not hasattr(module.SSDHead, 'loss_cls'):
        module.SSDHead.loss_cls = None


def paste_nothing_outside(module: ModuleType) -> None:
    """Let masks of boxes beyond the image be empty on a CPU, as they are on a GPU.

    mmdet counts from the image's border to the box's end, which lies before it, and stops. Detectors
    that do not clip their boxes, such as QueryInst, have such boxes until they have learnt.

    Args:
        module: ``mmdet.models.roi_heads.mask_heads.fcn_mask_head``.
    """
    paste = module._do_paste_mask

    def paste_inside(
        masks: Tensor, boxes: Tensor, img_h: int, img_w: int, skip_empty: bool = True
    ) -> Any:
        if skip_empty:
            right, bottom = boxes[:, 2:].max(0).values + 1
            left, top = boxes[:, :2].min(0).values - 1
            if right <= 0 or bottom <= 0 or left >= img_w or top >= img_h:
                return masks.new_zeros(len(masks), 0, 0), (slice(0, 0), slice(0, 0))
        return paste(masks, boxes, img_h, img_w, skip_empty)

    module._do_paste_mask = paste_inside  # type: ignore[attr-defined]
