"""Registered modules: backbone, decoder, head, the algorithm, and what it is fed by."""

from .backbones import GreenSwinTransformer
from .data_preprocessors import DetDataPreprocessor, SelfSupDataPreprocessor
from .heads import GreenMIMHead
from .necks import GreenMIMDecoder
from .selfsup import GreenMIM

__all__ = [
    'DetDataPreprocessor',
    'GreenMIM',
    'GreenMIMDecoder',
    'GreenMIMHead',
    'GreenSwinTransformer',
    'SelfSupDataPreprocessor',
]
