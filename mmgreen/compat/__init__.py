"""What lets the maintained forks of OpenMMLab work as they are installed by pip."""

from . import config_packages, mmcv_ext


def install() -> None:
    """Offer torchvision's operators to mmcv, and configs of packages to mmengine."""
    mmcv_ext.install()
    config_packages.install()


__all__ = ['install']
