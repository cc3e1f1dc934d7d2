"""Pictures of the method."""

from .grouping import draw_grouping
from .reconstruction import draw_reconstructions
from .reconstruction_hook import PICTURE, ReconstructionHook

__all__ = ['PICTURE', 'ReconstructionHook', 'draw_grouping', 'draw_reconstructions']
