"""torchvision behind mmcv's operator names, where mmcv is not compiled."""

from .mmcv_ext import install

__all__ = ['install']
