"""Pre-trained backbones: in full, or an error."""

import pytest
import torch
from helpers import TINY, small_greenmim, small_swin
from mmengine.runner import save_checkpoint
from mmpretrain.models import SwinTransformer

from mmgreen.errors import UserError
from mmgreen.registry import MODELS


def detector_backbone(checkpoint, **kwargs):
    """A backbone as Mask R-CNN has it, initialised from a checkpoint."""
    model = MODELS.build(
        dict(
            type='GreenSwinTransformer',
            arch=TINY,
            window_size=7,
            pad_small_map=True,
            out_indices=(0, 1, 2, 3),
            init_cfg=dict(type='Pretrained', checkpoint=str(checkpoint)),
            **kwargs,
        )
    )
    model.init_weights()
    model.eval()
    return model


def backbone_weights(model):
    return {
        k: v for k, v in model.state_dict().items() if not k.startswith(('norm0', 'norm1', 'norm2'))
    }


@pytest.fixture
def pretrained(tmp_path):
    model = small_greenmim()
    save_checkpoint(dict(state_dict=model.state_dict()), str(tmp_path / 'greenmim.pth'))
    return model, tmp_path / 'greenmim.pth'


def test_a_greenmim_checkpoint_is_taken_as_it_is(pretrained, logged):
    model, path = pretrained
    backbone = detector_backbone(path)
    found = backbone.state_dict()
    for key, value in model.backbone.state_dict().items():
        assert torch.equal(found[key], value), key
    total = sum('index' not in key for key in found)
    assert f'loaded {total - 6} of {total} backbone tensors' in logged.text
    assert 'norm0.weight' in logged.text  # what pre-training does not have is named
    images = torch.randn(1, 3, 448, 448)  # larger than a window at every stage
    assert torch.equal(backbone(images)[-1], model.backbone(images)[-1])


@pytest.mark.parametrize('prefix', ['', 'backbone.', 'module.backbone.', 'student.encoder.'])
def test_the_prefix_is_found(tmp_path, prefix):
    source = small_swin()
    state = {prefix + key: value for key, value in source.state_dict().items()}
    state['head.weight'] = torch.ones(2)
    torch.save({'state_dict': state}, tmp_path / 'c.pth')
    backbone = detector_backbone(tmp_path / 'c.pth')
    assert torch.equal(backbone.norm3.weight, source.norm3.weight)


def test_a_checkpoint_of_mmpretrain_is_taken(tmp_path):
    torch.save(SwinTransformer(arch=TINY, window_size=7).state_dict(), tmp_path / 'c.pth')
    detector_backbone(tmp_path / 'c.pth')


@pytest.mark.parametrize(
    ('spoil', 'words'),
    [
        (
            lambda s: s.pop('backbone.stages.1.blocks.0.norm1.weight'),
            'lacks 1 of the',
        ),
        (
            lambda s: s.update({'backbone.patch_embed.projection.bias': torch.ones(8)}),
            r'holds 1 weights of other shapes, such as patch_embed.projection.bias with \(8,\)',
        ),
        (lambda s: [s.pop(k) for k in list(s) if k.startswith('backbone')], 'lacks'),
    ],
)
def test_weights_that_do_not_fit_are_an_error(pretrained, spoil, words):
    _, path = pretrained
    checkpoint = torch.load(path, weights_only=True)
    spoil(checkpoint['state_dict'])
    torch.save(checkpoint, path)
    with pytest.raises(UserError, match=words) as caught:
        detector_backbone(path)
    message = str(caught.value)
    assert str(path) in message
    assert "the backbone's names are like" in message
    assert "checkpoint's like" in message
    assert '\n' not in message


def test_official_names_are_an_error_that_shows_both_styles(tmp_path):
    state = {'encoder.layers.0.blocks.0.attn.qkv.weight': torch.ones(3, 3)}
    torch.save({'model': state}, tmp_path / 'official.pth')
    with pytest.raises(UserError) as caught:
        detector_backbone(tmp_path / 'official.pth')
    assert 'patch_embed.projection' in str(caught.value)
    assert 'encoder.layers.0.blocks.0.attn.qkv.weight' in str(caught.value)


def test_an_error_leaves_the_backbone_as_it_was(pretrained):
    _, path = pretrained
    other = MODELS.build(
        dict(
            type='GreenSwinTransformer',
            arch=dict(TINY, embed_dims=32),
            init_cfg=dict(type='Pretrained', checkpoint=str(path)),
        )
    )
    before = {key: value.clone() for key, value in other.state_dict().items()}
    with pytest.raises(UserError, match='other shapes'):
        other.init_weights()
    assert all(torch.equal(before[key], value) for key, value in other.state_dict().items())


@pytest.mark.parametrize(
    ('checkpoint', 'words'),
    [('', 'init_cfg.checkpoint of the backbone is empty'), ('none.pth', 'does not exist')],
)
def test_no_checkpoint_is_never_a_silent_random_start(checkpoint, words):
    with pytest.raises(UserError, match=words):
        detector_backbone(checkpoint)
