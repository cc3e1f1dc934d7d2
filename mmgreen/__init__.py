"""GreenMIM pre-training and Mask R-CNN fine-tuning in the OpenMMLab ecosystem.

Importing this package is all there is to do: it offers torchvision's operators
to mmcv where mmcv's own are not compiled, and registers the modules under the
scope ``mmgreen``. Where mmengine is not imported yet, or not installed, that
waits: ``mmgreen.sparse`` is of use without it, and tools answer at once.
"""

from . import compat
from .version import __version__

compat.install()

__all__ = ['__version__', 'compat']
