"""Registered modules: backbone, decoder, head, the algorithm, and what it is fed by."""

from .backbones import GreenBackbone, GreenPCPVT, GreenSwinTransformer, GreenTwins, TimmBackbone
from .data_preprocessors import DetDataPreprocessor, SelfSupDataPreprocessor
from .detectors import MeanTeacher
from .heads import GreenMIMHead, HOGHead, PyramidHead, TargetHead, TeacherHead
from .necks import GreenMIMDecoder
from .selfsup import GreenMIM

__all__ = [
    'DetDataPreprocessor',
    'GreenBackbone',
    'GreenMIM',
    'GreenMIMDecoder',
    'GreenMIMHead',
    'GreenPCPVT',
    'GreenSwinTransformer',
    'GreenTwins',
    'HOGHead',
    'MeanTeacher',
    'PyramidHead',
    'SelfSupDataPreprocessor',
    'TargetHead',
    'TeacherHead',
    'TimmBackbone',
]
