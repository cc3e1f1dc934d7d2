"""GreenMIM pre-training and Mask R-CNN fine-tuning in the OpenMMLab ecosystem.

Importing this package is all there is to do: it offers torchvision's operators
to mmcv where mmcv's own are not compiled, and registers the modules under the
scope ``mmgreen``.
"""

from importlib.util import find_spec

from . import compat
from .version import __version__

compat.install()
# mmgreen.sparse is of use, and can be imported, where OpenMMLab is not installed.
if find_spec('mmengine') is not None:
    from . import registry

__all__ = ['__version__', 'compat', 'registry']
