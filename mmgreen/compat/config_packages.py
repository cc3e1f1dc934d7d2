"""Where mmengine finds the configs that packages ship."""

from importlib.metadata import PackageNotFoundError, distribution


def install() -> None:
    """Let configs inherit from ``mmgreen::`` and, of the maintained fork, from ``mmseg::``.

    mmengine has a list of packages. This project is not on it, and
    mmsegmentation is by the original's name only.
    """
    from mmengine.config.utils import MODULE2PACKAGE

    MODULE2PACKAGE['mmgreen'] = 'mmgreen'
    try:
        distribution('mmsegmentation')
    except PackageNotFoundError:
        MODULE2PACKAGE['mmseg'] = 'mmseg'
