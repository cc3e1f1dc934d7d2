"""Configs that name modules by their classes are the same as those that name them by strings."""

import pytest
from helpers import ROOT

from mmgreen.apis import pretrain
from mmgreen.config import load_config

STRINGS = """
train_cfg = dict(type='IterBasedTrainLoop', max_iters=2)
default_hooks = dict(checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=2))
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=1e-3))
model = dict(
    type='mmgreen.GreenMIM',
    data_preprocessor=dict(type='SelfSupDataPreprocessor', mean=[0.0] * 3, std=[255.0] * 3),
    unit_size=16,
    backbone=dict(
        type='mmgreen.GreenSwinTransformer',
        arch=dict(embed_dims=16, depths=[1, 1, 2], num_heads=[1, 2, 4]),
        img_size=64,
        window_size=4,
        out_indices=(2,),
    ),
    neck=dict(
        type='mmgreen.GreenMIMDecoder', embed_dim=64, decoder_embed_dim=32, decoder_num_heads=4
    ),
    head=dict(
        type='mmgreen.GreenMIMHead',
        norm_pix=True,
        patch_size=16,
        loss=dict(type='PixelReconstructionLoss', criterion='L2'),
    ),
)
train_dataloader = dict(
    batch_size=4,
    num_workers=0,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    collate_fn=dict(type='default_collate'),
    dataset=dict(
        type='mmgreen.UnlabelledDataset',
        data_root='{demo}',
        data_prefix='unlabelled',
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='RandomResizedCrop', scale=64),
            dict(type='PackInputs'),
        ],
    ),
)
randomness = dict(seed=0)
"""
IMPORTS = """
from mmcv.transforms import LoadImageFromFile
from mmengine.dataset import InfiniteSampler, default_collate
from mmengine.hooks import CheckpointHook
from mmengine.optim import OptimWrapper
from mmengine.runner import IterBasedTrainLoop
from mmpretrain.datasets import PackInputs, RandomResizedCrop
from mmpretrain.models import PixelReconstructionLoss, SelfSupDataPreprocessor
from torch.optim import AdamW
from mmgreen.datasets.folders import UnlabelledDataset
from mmgreen.models import GreenMIM, GreenMIMDecoder, GreenMIMHead, GreenSwinTransformer
"""


@pytest.fixture
def both(demo, tmp_path):
    """A config by strings, and the same one by classes."""
    strings = STRINGS.replace('{demo}', str(demo))
    classes = strings
    for line in IMPORTS.strip().splitlines():
        for name in line.split(' import ')[1].split(', '):
            classes = classes.replace(f"'mmgreen.{name}'", name).replace(f"'{name}'", name)
    (tmp_path / 'strings.py').write_text("default_scope = 'mmpretrain'\n" + strings)
    (tmp_path / 'classes.py').write_text(IMPORTS + classes)
    return tmp_path / 'strings.py', tmp_path / 'classes.py'


def test_classes_get_the_names_that_comparisons_know(both):
    strings, classes = (load_config(path) for path in both)
    for key in strings.keys() - {'work_dir'}:
        expected, found = (str(cfg[key]).replace('mmpretrain.', '') for cfg in (strings, classes))
        assert found == expected


def test_they_train_the_same_model(both, tmp_path):
    import torch

    weights = []
    for path in both:
        last = pretrain(path, tmp_path / path.stem)
        weights.append(torch.load(last, weights_only=True)['state_dict'])
    for name, value in weights[0].items():
        assert torch.equal(value, weights[1][name]), name


def test_a_class_of_no_registry_stays(tmp_path):
    (tmp_path / 'c.py').write_text('from decimal import Decimal\nthing = dict(type=Decimal)\n')
    assert load_config(tmp_path / 'c.py').thing.type.__name__ == 'Decimal'


def test_shipped_configs_are_left_as_they_are():
    cfg = load_config(ROOT / 'configs/quickstart/greenmim_swin-nano_demo.py')
    assert cfg.model.type == 'mmgreen.GreenMIM'
