"""What a detector has found, as files that labelling tools import, so that a person corrects and does not draw."""

from .found import FoundImage, FoundObject, found_images
from .writing import FORMATS, refuse_folders, write_prelabels

__all__ = [
    'FORMATS',
    'FoundImage',
    'FoundObject',
    'found_images',
    'refuse_folders',
    'write_prelabels',
]
