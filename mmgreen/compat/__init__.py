"""What lets the maintained forks of OpenMMLab work as they are installed by pip."""

import importlib
from types import ModuleType

from wrapt import register_post_import_hook

from . import bit_depth, config_packages, formatting, messages, mmcv_ext, mmdet_heads, multimodal


def install() -> None:
    """Offer torchvision's operators to mmcv and, once mmengine is imported, ours to mmengine."""
    mmcv_ext.install()
    register_post_import_hook(_complete, 'mmengine')
    register_post_import_hook(bit_depth.install, 'mmcv.image.io')
    register_post_import_hook(formatting.install, 'yapf.yapflib.yapf_api')
    register_post_import_hook(multimodal.install, 'mmpretrain.utils.dependency')
    register_post_import_hook(mmdet_heads.complete_ssd, 'mmdet.models.dense_heads.ssd_head')
    register_post_import_hook(
        mmdet_heads.paste_nothing_outside, 'mmdet.models.roi_heads.mask_heads.fcn_mask_head'
    )


def _complete(mmengine: ModuleType) -> None:
    config_packages.install()
    messages.install()
    importlib.import_module('mmgreen.registry')  # of whose scope mmengine then knows


__all__ = ['install']
