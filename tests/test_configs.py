"""Every config builds; the big ones take a step, shrunk in batch and size."""

import pytest
import torch
from helpers import ROOT
from mmdet.testing import demo_mm_inputs
from mmengine.registry import MODELS, DefaultScope

from mmgreen.engine import load_config
from mmgreen.models import GreenMIM, GreenSwinTransformer

CONFIGS = sorted(
    path
    for folder in ('greenmim', 'mask_rcnn', 'quickstart')
    for path in (ROOT / 'configs' / folder).glob('*.py')
)
SIZES = {  # parameters of the backbone in millions, as published for Swin, without a classifier
    'tiny': 27.5,
    'base': 86.7,
    'large': 195.0,
}


def test_all_are_found():
    assert len(CONFIGS) >= 8


@pytest.mark.parametrize('path', CONFIGS, ids=lambda p: p.stem)
def test_builds_and_takes_a_step(path):
    cfg = load_config(str(path))
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        config = dict(cfg.model)
        config.setdefault('data_preprocessor', cfg.get('data_preprocessor'))
        model = MODELS.build(config)
        assert isinstance(model.backbone, GreenSwinTransformer)
        for name, size in SIZES.items():
            if f'swin-{name}' in path.stem:
                found = sum(p.numel() for p in model.backbone.parameters()) / 1e6
                assert found == pytest.approx(size, rel=0.01)
        model.train()
        if isinstance(model, GreenMIM):
            size = cfg.model.backbone.img_size
            losses = model.loss(torch.randn(1, 3, size, size))
        else:
            inputs = demo_mm_inputs(1, [[3, 96, 128]], with_mask=True, num_classes=5)
            data = model.data_preprocessor(inputs, training=True)
            losses = model(**data, mode='loss')
        loss, _ = model.parse_losses(losses)
        assert torch.isfinite(loss)
        loss.backward()
        stem = model.backbone.patch_embed.projection.weight
        assert stem.grad.abs().sum() > 0


@pytest.mark.parametrize('path', CONFIGS, ids=lambda p: p.stem)
def test_names_say_what_the_file_does(path):
    cfg = load_config(str(path))
    if '8xb256' in path.stem:
        assert cfg.train_dataloader.batch_size == 256
        assert cfg.auto_scale_lr.base_batch_size == 8 * 256
    for epochs in (100, 800):
        if f'{epochs}e' in path.stem:
            assert cfg.train_cfg.max_epochs == epochs
            assert cfg.param_scheduler[-1].end == epochs
    for window in (7, 14):
        if f'-w{window}_' in path.stem:
            assert cfg.model.backbone.window_size == window
    if '_1x_' in path.stem:
        assert cfg.train_cfg.max_epochs == 12
    if '-3x_' in path.stem:
        assert cfg.train_cfg.max_epochs == 36
