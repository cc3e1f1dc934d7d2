"""Pictures of the method and of detections, and what all pictures share."""

from .detections import category_colour, draw_detections
from .grouping import draw_grouping
from .lettering import drawable
from .reconstruction import draw_reconstructions

__all__ = [
    'category_colour',
    'draw_detections',
    'draw_grouping',
    'draw_reconstructions',
    'drawable',
]
