"""Which images to label next."""

from .choose import Choice, choose
from .folders import images_of_folder, labelled_images
from .looking import Eyes, Seen
from .page import refuse_used, write_choices

__all__ = [
    'Choice',
    'Eyes',
    'Seen',
    'choose',
    'images_of_folder',
    'labelled_images',
    'refuse_used',
    'write_choices',
]
