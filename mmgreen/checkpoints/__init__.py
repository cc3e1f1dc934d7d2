"""Checkpoints: read without running code, of any project's names, fitted, written whole.

Importing this package replaces mmengine's readers by :func:`read_checkpoint`, and its
local file backend by :class:`AtomicBackend`.
"""

from .architecture import SwinArchitecture, TwinsArchitecture, architecture_of
from .atomic_backend import AtomicBackend
from .backbone import load_backbone, read_backbone
from .classes import classes_of, holds_detector, holds_timm_net, keep_known_classes, rows_per_class
from .converting import Converted, convert, holds_average, revert, unwrap
from .finding import find_checkpoint
from .fit import check_fit, is_derived
from .names import STYLES
from .reading import ALLOW_PICKLE, read_checkpoint
from .threshold import DEFAULT_THRESHOLD, keep_threshold, threshold_of

__all__ = [
    'ALLOW_PICKLE',
    'DEFAULT_THRESHOLD',
    'STYLES',
    'AtomicBackend',
    'Converted',
    'SwinArchitecture',
    'TwinsArchitecture',
    'architecture_of',
    'check_fit',
    'classes_of',
    'convert',
    'find_checkpoint',
    'holds_average',
    'holds_detector',
    'holds_timm_net',
    'is_derived',
    'keep_known_classes',
    'keep_threshold',
    'load_backbone',
    'read_backbone',
    'read_checkpoint',
    'revert',
    'rows_per_class',
    'threshold_of',
    'unwrap',
]
