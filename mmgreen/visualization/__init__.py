"""Pictures of the method."""

from .grouping import draw_grouping
from .reconstruction import draw_reconstructions

__all__ = ['draw_grouping', 'draw_reconstructions']
