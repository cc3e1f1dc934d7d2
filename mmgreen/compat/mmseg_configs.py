"""Configs that the maintained fork of mmsegmentation ships."""

from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec


def install() -> None:
    """Let mmengine find ``mmseg::`` configs where the package is the fork.

    mmengine looks for a package of the original's name, ``mmsegmentation``.
    Without one it is told to look for the module.
    """
    if find_spec('mmengine') is None:
        return
    from mmengine.config.utils import MODULE2PACKAGE

    try:
        distribution('mmsegmentation')
    except PackageNotFoundError:
        MODULE2PACKAGE['mmseg'] = 'mmseg'
