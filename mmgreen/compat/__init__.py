"""What lets the maintained forks of OpenMMLab work as they are installed by pip."""

from . import mmcv_ext, mmseg_configs


def install() -> None:
    """Offer torchvision's operators to mmcv, and mmseg's configs to mmengine."""
    mmcv_ext.install()
    mmseg_configs.install()


__all__ = ['install']
