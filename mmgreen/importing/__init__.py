"""Annotated images of other formats than COCO's: recognised, read, divided, written as COCO's."""

from .coco_files import find_coco_files, image_folder
from .dataset import AnnotatedImage, Dataset, write_coco
from .recognising import read_dataset
from .splits import divide
from .to_coco import Conversion, to_coco

__all__ = [
    'AnnotatedImage',
    'Conversion',
    'Dataset',
    'divide',
    'find_coco_files',
    'image_folder',
    'read_dataset',
    'to_coco',
    'write_coco',
]
