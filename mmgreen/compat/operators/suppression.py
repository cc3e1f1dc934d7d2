"""Non-maximum suppression: hard, soft, and with what was suppressed by what."""

import torch
from torch import Tensor


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int) -> Tensor:
    """Indices of the boxes that non-maximum suppression keeps, best first.

    Args:
        boxes: (N, 4), x1, y1, x2, y2 in pixels.
        scores: (N,).
        iou_threshold: Overlap from which the lower score is dropped.
        offset: 1 where a box covers its last pixel (width x2 - x1 + 1), else 0.
    """
    import torchvision

    boxes = boxes + boxes.new_tensor([0, 0, offset, offset])
    return torchvision.ops.nms(boxes, scores, iou_threshold)


def softnms(
    boxes: Tensor,
    scores: Tensor,
    dets: Tensor,
    iou_threshold: float,
    sigma: float,
    min_score: float,
    method: int,
    offset: int,
) -> Tensor:
    """Soft non-maximum suppression (`Soft-NMS <https://arxiv.org/abs/1704.04503>`_, figure 2).

    Args:
        boxes: (N, 4).
        scores: (N,).
        dets: (N, 5), filled with boxes and lowered scores of what is kept, best first.
        iou_threshold: Threshold of ``method`` 0 and 1.
        sigma: Width of ``method`` 2.
        min_score: What falls below is dropped.
        method: 0 drops overlapping boxes, 1 lowers their scores by the overlap, 2 by a Gaussian.
        offset: See :func:`nms`.

    Returns:
        Indices of what is kept, int64.
    """
    left = torch.arange(len(boxes), device=boxes.device)
    lowered = scores.clone()
    kept: list[Tensor] = []
    while len(left):
        best = lowered[left].argmax()
        index = left[best]
        dets[len(kept), :4], dets[len(kept), 4] = boxes[index], lowered[index]
        kept.append(index)
        left = left[torch.arange(len(left), device=left.device) != best]
        overlap = _overlaps(boxes[index], boxes[left], offset)
        if method == 2:
            factor = (-(overlap**2) / sigma).exp()
        else:
            factor = torch.where(overlap >= iou_threshold, (1 - overlap) * method, 1)
        lowered[left] *= factor
        left = left[lowered[left] >= min_score]
    return torch.stack(kept) if kept else left


def nms_match(dets: Tensor, iou_threshold: float) -> list[list[int]]:
    """For each box that is kept, best first, its index and those of the boxes it suppresses.

    Args:
        dets: (N, 5), boxes and scores.
        iou_threshold: Overlap from which a box is suppressed.
    """
    left = dets[:, 4].argsort(descending=True, stable=True)
    groups = []
    while len(left):
        best, others = left[0], left[1:]
        suppressed = _overlaps(dets[best, :4], dets[others, :4], 0) >= iou_threshold
        groups.append([int(best), *others[suppressed].tolist()])
        left = others[~suppressed]
    return groups


def _overlaps(box: Tensor, others: Tensor, offset: int) -> Tensor:
    """IoU of a box with others."""
    corners = torch.minimum(box[2:], others[:, 2:]) - torch.maximum(box[:2], others[:, :2])
    shared = (corners + offset).clamp(min=0).prod(1)
    area = (box[2:] - box[:2] + offset).prod()
    areas = (others[:, 2:] - others[:, :2] + offset).prod(1)
    return shared / (area + areas - shared)
