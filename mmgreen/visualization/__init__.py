"""Pictures of the method."""

from .grouping import draw_grouping
from .reconstruction import draw_reconstructions, join_tiles

__all__ = ['draw_grouping', 'draw_reconstructions', 'join_tiles']
