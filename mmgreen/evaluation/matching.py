"""Which detection finds which object: what COCO's evaluators do not give out.

Confidence intervals, kinds of errors and calibration need the single matches
that AP is made of. They follow COCO's rules to the letter, so that the AP of
these matches is the AP of the evaluator.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from faster_coco_eval import COCOeval_faster
from faster_coco_eval.core.mask import iou as compute_iou
from numpy.typing import NDArray

from mmgreen.arrays import Bools, Floats, Ints

UNMATCHED, MATCHED, IGNORED = 0, 1, 2


@dataclass(frozen=True)
class Matches:
    """Detections and objects of all images, matched. Flat arrays over both.

    D detections (up to 100 of a category and image), G objects, A sizes (all,
    small, medium, large), T IoU thresholds (0.50:0.95), I images, K categories.
    Images and categories are positions in the sorted ids.

    Attributes:
        image: (D,) int64.
        category: (D,) int64.
        score: (D,) float64.
        rank: (D,) int64, place by score within its image and category, from 0.
        in_range: (A, D) bool, whether its area is of that size.
        state: (A, T, D) uint8: ``UNMATCHED``, ``MATCHED`` with an object, or
            ``IGNORED``, since matched with a crowd or an object of another size.
        same: (D,) int64, the object of its category that it overlaps most, -1
            if there is none; crowds left out here and below.
        same_iou: (D,) float64, that overlap.
        other: (D,) int64, the same among objects of other categories.
        other_iou: (D,) float64.
        taken_iou: (D,) float64, the overlap with objects of its category that
            are matched at IoU 0.5.
        gt_image: (G,) int64.
        gt_category: (G,) int64.
        gt_ignored: (A, G) bool: crowds, and objects of another size.
        gt_found: (G,) bool, whether matched at IoU 0.5.
        num_images: I.
        num_categories: K.
    """

    image: Ints
    category: Ints
    score: Floats
    rank: Ints
    in_range: Bools
    state: NDArray[np.uint8]
    same: Ints
    same_iou: Floats
    other: Ints
    other_iou: Floats
    taken_iou: Floats
    gt_image: Ints
    gt_category: Ints
    gt_ignored: Bools
    gt_found: Bools
    num_images: int
    num_categories: int

    def by_category(self) -> list[Ints]:
        """Detections of every category, best score first, in COCO's order of equals."""
        order = np.lexsort((self.rank, self.image, -self.score, self.category))
        return np.split(order, np.searchsorted(self.category[order], range(1, self.num_categories)))


def match_detections(evaluator: COCOeval_faster) -> Matches:
    """Match what an evaluator has evaluated.

    Args:
        evaluator: From :func:`~mmgreen.evaluation.coco_evaluator`; boxes or masks.
    """
    params = evaluator.params
    shape = 'bbox' if params.iouType == 'bbox' else 'rle'
    column = {cat_id: k for k, cat_id in enumerate(params.catIds)}
    areas = np.array(params.areaRng)
    thresholds = np.minimum(params.iouThrs, 1 - 1e-10)

    parts: list[dict[str, NDArray[Any]]] = []
    objects: list[dict[str, NDArray[Any]]] = []
    first_object = 0
    for i, image_id in enumerate(params.imgIds):
        gts = [a for a in evaluator.cocoGt.imgToAnns[image_id] if a['category_id'] in column]
        dts = [a for a in evaluator.cocoDt.imgToAnns[image_id] if a['category_id'] in column]
        crowd = np.array([gt.get('iscrowd', 0) for gt in gts], dtype=bool)
        gt_category = np.array([column[gt['category_id']] for gt in gts], dtype=np.int64)
        ignored = crowd | ~_in_range(gts, areas)
        found = np.zeros(len(gts), dtype=bool)
        if dts:
            category = np.array([column[dt['category_id']] for dt in dts], dtype=np.int64)
            score = np.array([dt['score'] for dt in dts], dtype=np.float64)
            order = np.lexsort((-score, category))  # stable, as COCO's
            rank = np.arange(len(order)) - np.searchsorted(category[order], category[order])
            kept = rank < params.maxDets[-1]
            order, rank = order[kept], rank[kept]
            category, score = category[order], score[order]
            dts = [dts[d] for d in order]
            iou = np.zeros((len(dts), len(gts)))
            if gts:
                iou = np.array(
                    compute_iou([d[shape] for d in dts], [g[shape] for g in gts], crowd.astype(int))
                )
            part = _match_image(iou, category, gt_category, crowd, ignored, thresholds, found)
            for name in ('same', 'other'):
                part[name][part[name] >= 0] += first_object
            part |= dict(category=category, score=score, rank=rank)
            part |= dict(image=np.full(len(dts), i), in_range=_in_range(dts, areas))
            parts.append(part)
        objects.append(
            dict(
                gt_image=np.full(len(gts), i),
                gt_category=gt_category,
                gt_ignored=ignored,
                gt_found=found,
            )
        )
        first_object += len(gts)

    if not parts:
        none, no = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=bool)
        part = _match_image(np.zeros((0, 0)), none, none, no, no[None], thresholds, no)
        part |= dict(category=none, score=np.zeros(0), rank=none, image=none)
        part |= dict(
            in_range=np.zeros((len(areas), 0), dtype=bool),
            state=np.zeros((len(areas), len(thresholds), 0), dtype=np.uint8),
        )
        parts.append(part)
    return Matches(
        **{k: np.concatenate([part[k] for part in parts], axis=-1) for k in parts[0]},
        **{k: np.concatenate([part[k] for part in objects], axis=-1) for k in objects[0]},
        num_images=len(params.imgIds),
        num_categories=len(params.catIds),
    )


def _in_range(annotations: list[dict[str, Any]], areas: Floats) -> Bools:
    """(A, N) bool, whether areas lie within each range, ends included."""
    area = np.array([annotation['area'] for annotation in annotations], dtype=np.float64)
    return (area >= areas[:, :1]) & (area <= areas[:, 1:])


def _match_image(
    iou: Floats,
    category: Ints,
    gt_category: Ints,
    crowd: Bools,
    ignored: Bools,
    thresholds: Floats,
    found: Bools,
) -> dict[str, NDArray[Any]]:
    """Match the detections of an image, best score first, category by category.

    Args:
        iou: (D, G).
        category: (D,), sorted; detections of one are sorted by score.
        gt_category: (G,).
        crowd: (G,) bool, matched as often as need be.
        ignored: (A, G) bool.
        thresholds: (T,).
        found: (G,) bool, set where an object is matched at the first threshold.

    Returns:
        ``state``, ``same``, ``same_iou``, ``other``, ``other_iou`` and
        ``taken_iou`` of :class:`Matches`.
    """
    state = np.zeros((len(ignored), len(thresholds), len(iou)), dtype=np.uint8)
    agree = category[:, None] == gt_category
    reaches = (agree & (iou >= thresholds[0])).any(1)
    taken = np.zeros((*state.shape[:2], iou.shape[1]), dtype=bool)
    for d in np.flatnonzero(reaches):
        (mine,) = np.nonzero(gt_category == category[d])
        overlap = iou[d, mine]
        free = (overlap >= thresholds[:, None]) & (~taken[:, :, mine] | crowd[mine])
        # The most overlapping; ignored objects behind all others; of equals the last.
        merit = np.where(free, overlap - 2 * ignored[:, None, mine], -4)[..., ::-1]
        best = merit.argmax(-1)
        a, t = np.nonzero(merit.max(-1) > -4)
        chosen = mine[len(mine) - 1 - best[a, t]]
        state[a, t, d] = np.where(ignored[a, chosen], IGNORED, MATCHED)
        taken[a, t, chosen] = True
    if len(state):
        found |= taken[0, 0] & ~crowd

    same, same_iou = _most(np.where(agree & ~crowd, iou, -1))
    other, other_iou = _most(np.where(~agree & ~crowd, iou, -1))
    _, taken_iou = _most(np.where(agree & found, iou, -1))
    return dict(
        state=state,
        same=same,
        same_iou=same_iou,
        other=other,
        other_iou=other_iou,
        taken_iou=taken_iou,
    )


def _most(overlap: Floats) -> tuple[Ints, Floats]:
    """Column and value of the largest entry of each row; -1 and 0 where all are below 0."""
    if not overlap.size:
        return np.full(len(overlap), -1), np.zeros(len(overlap))
    best, value = overlap.argmax(1), overlap.max(1)
    return np.where(value >= 0, best, -1), value.clip(min=0)
