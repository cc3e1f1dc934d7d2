"""Annotated images of any layout: recognised, read, divided, written as COCO's.

``layouts/`` has a file for each layout; :func:`read_dataset` is the one way in.
"""

from .cutting import choose_tiling, cut_into_tiles
from .dataset import AnnotatedImage, Dataset, write_coco
from .dividing import divide, near_duplicates
from .merging import merge
from .reading import examine_folder, examine_images, read_dataset
from .splits import split_of
from .to_coco import Conversion, to_coco
from .unknown import describe_not_understood

__all__ = [
    'AnnotatedImage',
    'Conversion',
    'Dataset',
    'choose_tiling',
    'cut_into_tiles',
    'describe_not_understood',
    'divide',
    'examine_folder',
    'examine_images',
    'merge',
    'near_duplicates',
    'read_dataset',
    'split_of',
    'to_coco',
    'write_coco',
]
