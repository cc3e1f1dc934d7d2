"""What mmpretrain and mmdet do not evaluate."""

from .bootstrap import (
    confidence_interval,
    draw_resamples,
    group_interval,
    resampled_figures,
)
from .calibration import Calibration, calibrate, pool_calibrations
from .coco_figures import (
    CATEGORY_FIGURES,
    FIGURES,
    CocoFigures,
    CocoTruth,
    coco_evaluator,
    coco_figures,
)
from .confusion import confusion_matrix
from .counting import (
    SCORES,
    SURE,
    Counts,
    ImageCounts,
    count_by_image,
    count_matches,
    mean_counts,
)
from .health import effective_rank, share_within_images
from .knn import knn_predict
from .linear_probe import linear_predict
from .matching import Matches, match_detections
from .tide import KINDS, Errors, find_errors

__all__ = [
    'CATEGORY_FIGURES',
    'FIGURES',
    'KINDS',
    'SCORES',
    'SURE',
    'Calibration',
    'CocoFigures',
    'CocoTruth',
    'Counts',
    'Errors',
    'ImageCounts',
    'Matches',
    'calibrate',
    'coco_evaluator',
    'coco_figures',
    'confidence_interval',
    'confusion_matrix',
    'count_by_image',
    'count_matches',
    'draw_resamples',
    'effective_rank',
    'find_errors',
    'group_interval',
    'knn_predict',
    'linear_predict',
    'match_detections',
    'mean_counts',
    'pool_calibrations',
    'resampled_figures',
    'share_within_images',
]
