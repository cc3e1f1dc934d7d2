"""The recipes of the papers, setting by setting."""

import pytest
from helpers import ROOT

from mmgreen.config import load_config

IN1K = 'amp-coslr-{}e_in1k'
GREEN = [
    # arch, window, epochs, learning rate for 256 images
    *[('tiny', 7, 100, 1.5e-4), ('small', 7, 100, 1.5e-4), ('base', 7, 100, 1.5e-4)],
    *[('base', 7, 200, 1.5e-4), ('base', 7, 800, 1.5e-4), ('base', 14, 800, 1.5e-4)],
    ('large', 14, 800, 1e-4),
]


def total(cfg):
    """Learning rate of an image: what stays the same whatever the batch."""
    return cfg.optim_wrapper.optimizer.lr / cfg.auto_scale_lr.base_batch_size


@pytest.mark.parametrize(('arch', 'window', 'epochs', 'rate'), GREEN)
def test_greenmim(arch, window, epochs, rate):
    name = f'greenmim_swin-{arch}-w{window}_8xb256-{IN1K.format(epochs)}.py'
    cfg = load_config(str(ROOT / 'configs/greenmim' / name))
    optimizer = cfg.optim_wrapper.optimizer
    assert (cfg.model.mask_ratio, cfg.model.unit_size) == (0.75, 32)
    assert cfg.model.backbone.drop_path_rate == 0
    assert cfg.model.head.norm_pix is True
    assert (optimizer.type, tuple(optimizer.betas)) == ('AdamW', (0.9, 0.95))
    assert optimizer.weight_decay == 0.05
    assert total(cfg) == pytest.approx(rate / 256)
    warm_up, cosine = cfg.param_scheduler
    assert (warm_up.type, warm_up.end) == ('LinearLR', 40)
    assert (cosine.type, cosine.end) == ('CosineAnnealingLR', epochs)
    crop = cfg.train_dataloader.dataset.pipeline[0]
    assert (crop.type, crop.scale, crop.flip) == ('mmgreen.LoadRandomCrop', 224, 0.5)
    assert tuple(crop.crop_ratio_range) == (0.2, 1.0)


@pytest.mark.parametrize(('arch', 'batch'), [('small', 256), ('base', 256), ('large', 512)])
def test_greenmim_with_twins(arch, batch):
    """The authors: large, 100 epochs, 512 images a GPU."""
    name = f'greenmim_twins-svt-{arch}_8xb{batch}-{IN1K.format(100)}.py'
    cfg = load_config(str(ROOT / 'configs/greenmim' / name))
    assert (cfg.model.backbone.type, cfg.model.backbone.arch) == ('mmgreen.GreenTwins', arch)
    assert (cfg.train_dataloader.batch_size, cfg.train_cfg.max_epochs) == (batch, 100)
    assert cfg.auto_scale_lr.base_batch_size == 8 * batch
    assert total(cfg) == pytest.approx(1.5e-4 / 256)


@pytest.mark.parametrize(
    ('name', 'arch', 'window', 'rate'),
    [
        ('simmim_swin-base-w6_16xb128-amp-coslr-800e_in1k-192px.py', 'base', 6, 1e-4),
        ('simmim_swin-large-w12_16xb128-amp-coslr-800e_in1k-192px.py', 'large', 12, 1e-4),
        ('simmim_swin-base-w6_8xb256-amp-coslr-100e_in1k-192px.py', 'base', 6, 2e-4),
    ],
)
def test_simmim(name, arch, window, rate):
    cfg = load_config(str(ROOT / 'configs/simmim' / name))
    backbone, optimizer = cfg.model.backbone, cfg.optim_wrapper.optimizer
    assert (backbone.arch, backbone.img_size) == (arch, 192)
    assert backbone.stage_cfgs.block_cfgs.window_size == window
    assert cfg.model.head.loss.criterion == 'L1'
    assert tuple(optimizer.betas) == (0.9, 0.999)
    assert total(cfg) == pytest.approx(rate / 512)
    mask = cfg.train_dataloader.dataset.pipeline[3]
    assert (mask.mask_ratio, mask.mask_patch_size) == (0.6, 32)
    if '800e' in name:
        assert cfg.param_scheduler[1].milestones == [700]


@pytest.mark.parametrize(
    ('arch', 'window', 'drop_path', 'decay', 'rates'),
    [
        # rates: for 512 images, at the start of warm-up, at the end
        ('base', 7, 0.1, 0.9, (1.25e-3, 2.5e-7, 2.5e-7)),
        ('base', 14, 0.1, 0.9, (1.25e-3, 2.5e-7, 2.5e-7)),
        ('large', 14, 0.3, 0.8, (1e-3, 2e-7, 3.5e-7)),
    ],
)
def test_fine_tuning(arch, window, drop_path, decay, rates):
    name = f'green-swin-{arch}-w{window}_8xb256-coslr-100e_in1k.py'
    cfg = load_config(str(ROOT / 'configs/imagenet' / name))
    optimizer = cfg.optim_wrapper.optimizer
    assert cfg.model.backbone.drop_path_rate == drop_path
    assert cfg.optim_wrapper.paramwise_cfg.layer_decay_rate == decay
    rate, first, last = rates
    assert total(cfg) == pytest.approx(rate / 512)
    assert (optimizer.type, optimizer.weight_decay) == ('AdamW', 0.05)
    warm_up, cosine = cfg.param_scheduler
    assert warm_up.start_factor * rate == pytest.approx(first)
    assert (warm_up.end, cosine.end) == (20, 100)
    assert cosine.eta_min / cfg.auto_scale_lr.base_batch_size == pytest.approx(last / 512)
    mixes = {augment.type: augment.alpha for augment in cfg.model.train_cfg.augments}
    assert mixes == {'Mixup': 0.8, 'CutMix': 1.0}
    assert cfg.model.head.loss.label_smooth_val == 0.1
    steps = {step.type: step for step in cfg.train_dataloader.dataset.pipeline}
    assert steps['RandAugment'].magnitude_level == 9
    assert steps['RandAugment'].magnitude_std == 0.5
    assert steps['RandomErasing'].erase_prob == 0.25
    assert not any('EMA' in hook.type for hook in cfg.get('custom_hooks') or [])


@pytest.mark.parametrize('arch', ['tiny-w7', 'small-w7', 'base-w7', 'large-w14'])
@pytest.mark.parametrize(('schedule', 'epochs'), [('1x', 12), ('amp-ms-crop-3x', 36)])
def test_mask_rcnn(arch, schedule, epochs):
    name = f'mask-rcnn_green-swin-{arch}_fpn_{schedule}_coco.py'
    cfg = load_config(str(ROOT / 'configs/mask_rcnn' / name))
    assert cfg.train_cfg.max_epochs == epochs
    assert (cfg.optim_wrapper.type == 'AmpOptimWrapper') == ('amp' in schedule)
    assert total(cfg) == pytest.approx(1e-4 / 16)
    steps = [step.type for step in cfg.train_dataloader.dataset.pipeline]
    assert ('RandomChoice' in steps) == ('ms-crop' in schedule)
    assert cfg.model.neck.in_channels[3] == 8 * cfg.model.neck.in_channels[0]
