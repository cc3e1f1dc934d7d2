"""Learning rates fall layer by layer, in a detector as in a classifier."""

import pytest
import torch
from helpers import ROOT, TINY
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS, DefaultScope

from mmgreen.config import load_config
from mmgreen.errors import UserError

DETECT = 'configs/quickstart/mask-rcnn_green-swin-nano_fpn_demo.py'


def rates(model, decay):
    """Learning rate of each parameter at a base rate of 1."""
    wrapper = build_optim_wrapper(
        model,
        dict(
            optimizer=dict(type='AdamW', lr=1.0, weight_decay=0.05),
            constructor='mmgreen.LayerDecayOptimWrapperConstructor',
            paramwise_cfg=dict(layer_decay_rate=decay, custom_keys=dict(norm=dict(decay_mult=0.0))),
        ),
    )
    names = {id(p): name for name, p in model.named_parameters()}
    groups = wrapper.optimizer.param_groups
    assert sum(len(g['params']) for g in groups) == len(names)
    for group in groups:
        norms = {'norm' in names[id(p)] for p in group['params']}
        assert norms == {group['weight_decay'] == 0}
    return {names[id(p)]: g['lr'] for g in groups for p in g['params']}


@pytest.fixture(scope='module')
def detector():
    cfg = load_config(str(ROOT / DETECT))
    with DefaultScope.overwrite_default_scope('mmdet'):
        return MODELS.build(cfg.model)


def test_every_layer_of_a_detector_is_slower_than_the_next(detector):
    found = rates(detector, 0.9)
    assert found['roi_head.mask_head.conv_logits.weight'] == 1.0
    assert found['neck.lateral_convs.0.conv.weight'] == 1.0
    assert found['backbone.norm2.weight'] == 1.0
    blocks = [
        found[f'backbone.stages.{i}.blocks.{j}.attn.w_msa.qkv.weight']
        for i, depth in enumerate([2, 2, 4])
        for j in range(depth)
    ]
    assert blocks == pytest.approx([0.9 ** (8 - k) for k in range(8)])
    assert found['backbone.patch_embed.projection.weight'] == pytest.approx(0.9**9)
    # Merging is the last thing of its stage.
    assert found['backbone.stages.0.downsample.reduction.weight'] == pytest.approx(blocks[1])


def test_without_decay_all_learn_at_one_rate(detector):
    assert set(rates(detector, 1.0).values()) == {1.0}


def test_a_classifier_gets_the_same_as_from_mmpretrain():
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        model = MODELS.build(
            dict(
                type='ImageClassifier',
                backbone=dict(type='mmgreen.GreenSwinTransformer', arch=TINY),
                neck=dict(type='GlobalAveragePooling'),
                head=dict(type='LinearClsHead', num_classes=3, in_channels=128),
            )
        )
        ours = rates(model, 0.7)
        theirs = build_optim_wrapper(
            model,
            dict(
                optimizer=dict(type='AdamW', lr=1.0, weight_decay=0.05),
                constructor='LearningRateDecayOptimWrapperConstructor',
                paramwise_cfg=dict(layer_decay_rate=0.7),
            ),
        )
    assert ours == {g['param_name']: g['lr'] for g in theirs.optimizer.param_groups}


def test_a_model_without_layers_is_refused():
    with pytest.raises(UserError, match='layer decay needs a backbone .* Linear has none'):
        rates(torch.nn.Linear(2, 2), 0.9)
