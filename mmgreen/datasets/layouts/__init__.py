"""Annotated images of other layouts than COCO's: recognised, read, divided, written as COCO's."""

from .coco import find_coco_files, image_folder
from .dataset import AnnotatedImage, Dataset, write_coco
from .recognise import read_dataset
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
