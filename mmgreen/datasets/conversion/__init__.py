"""Other projects' annotations as COCO's."""

from .to_coco import Conversion, to_coco

__all__ = ['Conversion', 'to_coco']
