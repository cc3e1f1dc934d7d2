"""Registered modules: backbone, decoder, head and the algorithm."""

from .backbones import GreenSwinTransformer
from .heads import GreenMIMHead
from .necks import GreenMIMDecoder
from .selfsup import GreenMIM

__all__ = ['GreenMIM', 'GreenMIMDecoder', 'GreenMIMHead', 'GreenSwinTransformer']
