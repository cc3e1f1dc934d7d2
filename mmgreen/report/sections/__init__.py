"""The sections of a detection report, each a function of a comparison."""

from .calibration import describe_calibration
from .categories import describe_categories
from .confusion import describe_confusion
from .curves import describe_curves
from .errors import describe_errors
from .figures import describe_figures
from .images import describe_images
from .short import at_threshold, describe_short
from .sizes import describe_sizes

__all__ = [
    'at_threshold',
    'describe_calibration',
    'describe_categories',
    'describe_confusion',
    'describe_curves',
    'describe_errors',
    'describe_figures',
    'describe_images',
    'describe_short',
    'describe_sizes',
]
