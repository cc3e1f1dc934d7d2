"""COCO's figures, computed by faster-coco-eval."""

import warnings
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from faster_coco_eval import COCO, COCOeval_faster

from mmgreen.arrays import Floats
from mmgreen.errors import UserError

# It warns of what is corrected here: annotations are numbered from 1 before they are evaluated.
warnings.filterwarnings('ignore', message='Found annotation id 0')

# Of the machine words in which evaluators keep ids.
_LARGEST_ID = 2**31
#: COCO's twelve figures, in COCO's order.
FIGURES = (
    *('AP', 'AP50', 'AP75', 'AP_small', 'AP_medium', 'AP_large'),
    *('AR@1', 'AR@10', 'AR@100', 'AR_small', 'AR_medium', 'AR_large'),
)
#: Figures of one category.
CATEGORY_FIGURES = ('AP', 'AP50', 'AP75', 'AP_small', 'AP_medium', 'AP_large', 'AR@100')


@dataclass(frozen=True)
class CocoFigures:
    """What COCO's protocol says of one set of boxes or masks; NaN where there is nothing to say.

    T IoU thresholds (0.50:0.95), R recall thresholds (0:0.01:1), K categories.

    Attributes:
        figures: The twelve of ``FIGURES``.
        categories: ``CATEGORY_FIGURES`` of every category, (K,) float64 each.
        precision: (T, R, K) float64, of all sizes and up to 100 detections an image.
        summary: COCO's twelve lines.
    """

    figures: dict[str, float]
    categories: dict[str, Floats]
    precision: Floats
    summary: str


class CocoTruth(COCO):  # type: ignore[misc]
    """Annotations by ids of any size and kind, as their file has them."""

    def createIndex(self) -> None:
        content = self.dataset
        self.imgs = {entry['id']: entry for entry in content['images']}
        self.cats = {entry['id']: entry for entry in content['categories']}
        self.anns = {entry['id']: entry for entry in content['annotations']}
        self.imgToAnns, self.catToImgs = defaultdict(list), defaultdict(list)
        for entry in content['annotations']:
            self.imgToAnns[entry['image_id']].append(entry)
            self.catToImgs[entry['category_id']].append(entry['image_id'])


def coco_evaluator(
    truth: COCO,
    detections: list[dict[str, Any]],
    iou_type: str,
    cat_ids: Sequence[int] | None = None,
    img_ids: Sequence[int] | None = None,
) -> COCOeval_faster:
    """Evaluate detections of all images of an annotation file.

    Args:
        truth: Annotations; a :class:`CocoTruth` where their ids are of any kind.
        detections: COCO results: ``image_id``, ``category_id``, ``score``, and
            ``bbox`` (x, y, width, height) or ``segmentation`` (compressed RLE).
        iou_type: ``'bbox'`` or ``'segm'``.
        cat_ids: Categories to look at; all of them by default.
        img_ids: Images that were looked at; all of them by default.

    Returns:
        The evaluator after its run, for :func:`coco_figures` and
        :func:`~mmgreen.evaluation.match_detections`.
    """
    shape = 'bbox' if iou_type == 'bbox' else 'segmentation'
    # Copies with what counts: beside a box, COCO would not take a mask's own area.
    kept = [
        {key: found[key] for key in ('image_id', 'category_id', 'score', shape)}
        for found in detections
    ]
    if iou_type == 'bbox':
        for found in kept:
            found['segmentation'] = ()  # else a polygon is made of every box
    images, categories = _numbers(truth.imgs), _numbers(truth.cats)
    truth = _renumbered(truth, images, categories)
    for found in kept:
        for key, numbers in (('image_id', images), ('category_id', categories)):
            if numbers:
                if found[key] not in numbers:
                    raise UserError(f'detections have {key} {found[key]!r}, which annotations lack')
                found[key] = numbers[found[key]]
    evaluator = COCOeval_faster(truth, truth.loadRes(kept), iou_type)
    if cat_ids is not None:
        evaluator.params.catIds = sorted(categories.get(i, i) for i in cat_ids)
    if img_ids is not None:
        evaluator.params.imgIds = sorted({images.get(i, i) for i in img_ids})
    evaluator.evaluate()
    evaluator.accumulate()
    return evaluator


def _numbers(ids: Iterable[Any]) -> dict[Any, int]:
    """Numbers from 1 in the order of ids that evaluators cannot compute with, else nothing.

    They compute with floating-point numbers, and in machine words.
    """
    ids = list(ids)
    if all(isinstance(i, int) and 0 <= i < _LARGEST_ID for i in ids):
        return {}
    return {i: number for number, i in enumerate(sorted(ids), 1)}


def _renumbered(truth: COCO, images: dict[Any, int], categories: dict[Any, int]) -> COCO:
    """Annotations whose ids evaluators can compute with: above 0, which is their "no match"."""
    ids = truth.anns
    sound = all(isinstance(i, int) and 0 < i < _LARGEST_ID for i in ids)
    if sound and not images and not categories:
        return truth
    content = truth.dataset
    annotations = [
        dict(
            a,
            id=number,
            image_id=images.get(a['image_id'], a['image_id']),
            category_id=categories.get(a['category_id'], a['category_id']),
        )
        for number, a in enumerate(content['annotations'], 1)
    ]
    return COCO(
        dict(
            content,
            images=[dict(i, id=images.get(i['id'], i['id'])) for i in content['images']],
            categories=[
                dict(c, id=categories.get(c['id'], c['id'])) for c in content['categories']
            ],
            annotations=annotations,
        )
    )


def coco_figures(evaluator: COCOeval_faster) -> CocoFigures:
    """Read the figures off an evaluator after its run."""
    lines: list[str] = []
    evaluator.print_function = lines.append
    evaluator.summarize()
    precision = np.array(evaluator.eval['precision'])  # [T, R, K, areas, maxDets]
    recall = np.array(evaluator.eval['recall'])  # [T, K, areas, maxDets]
    precision[precision < 0] = np.nan
    recall[recall < 0] = np.nan
    size = dict(AP=0, AP_small=1, AP_medium=2, AP_large=3)
    categories = {name: _mean(precision[:, :, :, area, -1], (0, 1)) for name, area in size.items()}
    categories['AP50'] = _mean(precision[0, :, :, 0, -1], 0)
    categories['AP75'] = _mean(precision[5, :, :, 0, -1], 0)
    categories['AR@100'] = _mean(recall[:, :, 0, -1], 0)
    stats = [value if value >= 0 else float('nan') for value in map(float, evaluator.stats)]
    return CocoFigures(
        figures=dict(zip(FIGURES, stats, strict=True)),
        categories={name: categories[name] for name in CATEGORY_FIGURES},
        precision=precision[:, :, :, 0, -1],
        summary='\n'.join(lines[: len(FIGURES)]),  # it adds two of its own
    )


def _mean(values: Floats, axis: int | tuple[int, ...]) -> Floats:
    """Mean without NaN; NaN where there is nothing else."""
    count = np.isfinite(values).sum(axis)
    mean: Floats = np.nansum(values, axis) / np.where(count, count, np.nan)
    return mean
