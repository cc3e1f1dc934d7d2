"""Configs: read, walked and set; :mod:`mmgreen.engine` checks and completes them."""

from .length import scale_schedules, set_steps
from .loading import load_config
from .nodes import around_backbone, count_classes, innermost, parts, set_num_classes, walk
from .outputs import BACKENDS, log_to, show_in
from .switches import resume_from, scale_rate, use_amp

__all__ = [
    'BACKENDS',
    'around_backbone',
    'count_classes',
    'innermost',
    'load_config',
    'log_to',
    'parts',
    'resume_from',
    'scale_rate',
    'scale_schedules',
    'set_num_classes',
    'set_steps',
    'show_in',
    'use_amp',
    'walk',
]
