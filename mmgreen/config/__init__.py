"""Configs: read, checked before anything is built or written, and completed."""

from .backends import BACKENDS, log_to, show_in
from .building import build_model, own_scope
from .data import order_classes, set_num_classes
from .loading import load_config
from .preparing import prepare_config, prepare_optimizer
from .tiling import tile_test

__all__ = [
    'BACKENDS',
    'build_model',
    'load_config',
    'log_to',
    'order_classes',
    'own_scope',
    'prepare_config',
    'prepare_optimizer',
    'set_num_classes',
    'show_in',
    'tile_test',
]
