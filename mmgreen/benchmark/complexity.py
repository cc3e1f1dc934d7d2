"""Floating-point operations and parameters of a config's model."""

import torch
from mmpretrain.models import BaseSelfSupervisor, ImageClassifier
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from mmgreen.config import load_config
from mmgreen.engine import build_model
from mmgreen.errors import UserError

from .subject import make_batch

#: Height and width by convention of the libraries.
_SIZES = {'mmdet': (800, 1280), 'mmseg': (512, 512)}


def complexity(config: str) -> tuple[tuple[int, int], int, int]:
    """Image size (height, width), operations of a forward pass over one image, parameters.

    A multiplication and an addition are counted as two; operators that are not
    matrix products are left out, as usual.

    Args:
        config: Config file, or ``package::path`` of an installed library.

    Raises:
        UserError: If it is of no kind that can be counted.
    """
    cfg = load_config(config)
    model = build_model(cfg)
    model.eval()
    parameters = sum(p.numel() for p in model.parameters())
    if isinstance(model, BaseSelfSupervisor):
        data = model.data_preprocessor(make_batch(cfg, batch_size=1), training=True)
        inputs = data['inputs'][0] if isinstance(data['inputs'], list) else data['inputs']
        size = tuple(inputs.shape[-2:])

        def forward() -> None:
            model.loss(data['inputs'], data['data_samples'])
    elif isinstance(model, ImageClassifier):
        crop = next(t for t in cfg.val_dataloader.dataset.pipeline if 'crop_size' in t).crop_size
        size = (crop, crop)

        def forward() -> None:
            model(torch.randn(1, 3, *size), mode='tensor')
    elif cfg.default_scope in _SIZES:
        size = _SIZES[cfg.default_scope]

        def forward() -> None:
            model(torch.randn(1, 3, *size), _samples_of(cfg.default_scope, size), mode='tensor')
    else:
        raise UserError(
            f'{config} describes a {type(model).__name__}, whose operations cannot be counted'
        )
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        forward()
    return size, counter.get_total_flops(), parameters


def _samples_of(scope: str, size: tuple[int, int]) -> list | None:
    """What a detector wants to know of an image."""
    if scope != 'mmdet':
        return None
    from mmdet.structures import DetDataSample

    meta = dict(img_shape=size, ori_shape=size, pad_shape=size, batch_input_shape=size)
    return [DetDataSample(metainfo=dict(meta, scale_factor=(1.0, 1.0)))]
