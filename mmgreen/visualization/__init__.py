"""Pictures of the method, and what all pictures share."""

from .grouping import draw_grouping
from .lettering import drawable
from .reconstruction import draw_reconstructions

__all__ = ['draw_grouping', 'draw_reconstructions', 'drawable']
