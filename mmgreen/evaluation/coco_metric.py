"""COCO evaluation during training and testing."""

import tempfile
from collections.abc import Sequence
from typing import Any

import numpy as np
from mmdet.evaluation import CocoMetric as MMDetCocoMetric
from mmengine.fileio import get_local_path, load
from mmengine.logging import MMLogger
from terminaltables import AsciiTable

from mmgreen.datasets.coco_api import OrderedCOCO
from mmgreen.registry import METRICS

from .coco_figures import CATEGORY_FIGURES, CocoFigures, CocoTruth, coco_evaluator, coco_figures
from .counting import count_matches
from .matching import match_detections

#: The names that mmdet gives to the first six figures.
_NAMES = dict(
    mAP='AP',
    mAP_50='AP50',
    mAP_75='AP75',
    mAP_s='AP_small',
    mAP_m='AP_medium',
    mAP_l='AP_large',
)


@METRICS.register_module()
class CocoMetric(MMDetCocoMetric):  # type: ignore[misc]
    """mmdet's COCO metric by faster-coco-eval, with COCO's own twelve figures.

    Metrics have mmdet's names and all their digits, so that they are those of
    the report, and -1 where there is nothing to evaluate. A run without a
    single detection has an AP of 0. Up to 100 detections of a category and
    image count, as COCO has it; mmdet counts up to 1000 for some of its
    figures. Beside them stands the score to take detections from,
    ``bbox_threshold``: where F1 at IoU 0.50 is best
    (:attr:`~mmgreen.evaluation.Counts.threshold`).

    Args:
        ann_file: COCO annotation file; by default annotations come from the
            dataset.
        metric: ``'bbox'``, ``'segm'``, or both.
        classwise: Log a table of all categories, too.
        format_only: Write the results to ``outfile_prefix`` and stop there.
        outfile_prefix: Where results are written, as ``PREFIX.bbox.json`` and
            ``PREFIX.segm.json``; by default nowhere.
        backend_args: Arguments of the file backend that reads ``ann_file``.
        collect_device: Where results of several processes meet.
        prefix: Before the names of the metrics; ``'coco'`` by default.
    """

    def __init__(
        self,
        ann_file: str | None = None,
        metric: str | Sequence[str] = ('bbox', 'segm'),
        classwise: bool = False,
        format_only: bool = False,
        outfile_prefix: str | None = None,
        backend_args: dict[str, Any] | None = None,
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ) -> None:
        super().__init__(
            metric=[metric] if isinstance(metric, str) else list(metric),
            classwise=classwise,
            format_only=format_only,
            outfile_prefix=outfile_prefix,
            backend_args=backend_args,
            collect_device=collect_device,
            prefix=prefix,
        )
        if ann_file is not None:
            with get_local_path(ann_file, backend_args=backend_args) as path:
                self._coco_api = OrderedCOCO(path)
        self.figures: dict[str, CocoFigures] = {}

    def compute_metrics(self, results: list[Any]) -> dict[str, float]:
        """Figures of all images, by the names of mmdet's metrics."""
        if self.format_only:
            nothing: dict[str, float] = super().compute_metrics(results)
            return nothing
        logger = MMLogger.get_current_instance()
        truths, found = zip(*results, strict=True)
        tested = [prediction['img_id'] for prediction in found]
        metrics: dict[str, float] = {}
        with tempfile.TemporaryDirectory() as folder:
            prefix = self.outfile_prefix or f'{folder}/results'
            if self._coco_api is None:
                truth = CocoTruth(self.gt_to_coco_json(truths, prefix))
            else:
                truth = CocoTruth(self._coco_api.dataset)
            number = {category['name']: i for i, category in truth.cats.items()}
            self.cat_ids = [number[name] for name in self.dataset_meta['classes']]
            files = self.results2json(found, prefix)
            for part in self.metrics:
                logger.info(f'Evaluating {part}...')
                detections = load(files[part]) if part in files else []
                evaluator = coco_evaluator(truth, detections, part, self.cat_ids, tested)
                figures = coco_figures(evaluator)
                logger.info('\n' + figures.summary)
                if self.classwise:
                    names = [truth.cats[i]['name'] for i in sorted(self.cat_ids)]
                    logger.info('\n' + _table(figures, names))
                self.figures[part] = figures
                for name, figure in _NAMES.items():
                    value = figures.figures[figure]
                    metrics[f'{part}_{name}'] = -1.0 if np.isnan(value) else value
                threshold = count_matches(match_detections(evaluator)).threshold
                metrics[f'{part}_threshold'] = -1.0 if threshold is None else threshold
        return metrics


def _table(figures: CocoFigures, names: Sequence[str]) -> str:
    rows = [['category', *CATEGORY_FIGURES]]
    columns = figures.categories.values()
    for name, *values in zip(names, *columns, strict=True):
        rows.append([name, *('-' if np.isnan(value) else f'{value:.3f}' for value in values)])
    return str(AsciiTable(rows).table)
