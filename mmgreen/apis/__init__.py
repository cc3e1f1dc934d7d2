"""From Python: pre-train, fine-tune, evaluate, reconstruct, detect.

Configs are paths, ``package::path`` of one that a package ships, or
:class:`mmengine.Config`. Images are paths, or arrays as OpenCV reads them:
uint8, (height, width, 3), BGR, or of the depth and channels of a config that loads them by
``mmgreen.LoadImage``. Pictures that come back are RGB. What is wrong
is a :class:`~mmgreen.errors.UserError` of one sentence.
"""

from .conversion import convert_checkpoint
from .detections import coco_categories, detect_folder, to_coco
from .detector import Detector, detect
from .exporting import export_backbone, export_detector, time_exported
from .features import load_features
from .inference import reconstruct
from .neighbours import Neighbours, classify_by_neighbours
from .running import open_run, steps_in
from .testing import Evaluation, evaluate, run_test
from .training import finetune, pretrain

__all__ = [
    'Detector',
    'Evaluation',
    'Neighbours',
    'classify_by_neighbours',
    'coco_categories',
    'convert_checkpoint',
    'detect',
    'detect_folder',
    'evaluate',
    'export_detector',
    'export_backbone',
    'finetune',
    'load_features',
    'open_run',
    'steps_in',
    'pretrain',
    'reconstruct',
    'run_test',
    'time_exported',
    'to_coco',
]
