"""Pictures of the method."""

from .detection_hook import DetVisualizationHook
from .grouping import draw_grouping
from .reconstruction import draw_reconstructions
from .reconstruction_hook import PICTURE, ReconstructionHook

__all__ = [
    'PICTURE',
    'DetVisualizationHook',
    'ReconstructionHook',
    'draw_grouping',
    'draw_reconstructions',
]
