"""Precision against recall."""

import numpy as np

from mmgreen.report import charts
from mmgreen.report.comparison import PARTS, Comparison
from mmgreen.report.document import Section


def describe_curves(comparison: Comparison) -> Section:
    """A chart for boxes, and one for masks: at IoU 0.50, at 0.75, and the mean."""
    blocks = []
    for kind in comparison.kinds:
        curves = {}
        for name, part in comparison.of_kind(kind).items():
            precision = part.figures.precision  # [T, R, K]
            known = np.isfinite(precision).any((0, 1))
            mean = precision[:, :, known].mean(2) if known.any() else np.full((10, 101), np.nan)
            curves[name] = np.stack([mean[0], mean[5], mean.mean(0)])
        blocks.append(charts.precision_recall(f'Precision and recall of {PARTS[kind]}', curves))
    text = 'Mean over categories, up to 100 detections an image.'
    return Section('Precision and recall', text, blocks)
