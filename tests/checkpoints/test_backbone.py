"""Pre-trained backbones: in full, or an error."""

import pytest
import timm
import torch
from helpers import TINY, WINDOW_14, small_greenmim, small_swin, timm_swin
from mmengine.runner import save_checkpoint
from mmpretrain.models import SwinTransformer

from mmgreen.checkpoints.backbone import resize_bias_table
from mmgreen.checkpoints.converting import revert
from mmgreen.errors import UserError
from mmgreen.registry import MODELS


def detector_backbone(checkpoint, **kwargs):
    """A backbone as Mask R-CNN has it, initialised from a checkpoint."""
    config = dict(
        type='GreenSwinTransformer',
        arch=TINY,
        window_size=7,
        pad_small_map=True,
        out_indices=(0, 1, 2, 3),
        init_cfg=dict(type='Pretrained', checkpoint=str(checkpoint)),
    )
    model = MODELS.build({**config, **kwargs})
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


def test_weights_of_timm_give_the_features_of_timm(tmp_path, logged):
    source = timm_swin()
    torch.save(source.state_dict(), tmp_path / 'timm.pth')
    backbone = detector_backbone(tmp_path / 'timm.pth', pad_small_map=False)
    images = torch.randn(1, 3, 224, 224)
    theirs = source.forward_features(images).permute(0, 3, 1, 2)
    torch.testing.assert_close(backbone(images)[-1], theirs, atol=1e-4, rtol=1e-4)
    assert '(Swin by timm names)' in logged.text


@pytest.mark.parametrize('prefix', ['', 'encoder.', 'module.', 'backbone.'])
def test_official_names_are_taken(tmp_path, prefix):
    source = small_swin()
    weights = {f'backbone.{key}': value for key, value in source.state_dict().items()}
    official, _ = revert(weights, 'official', prefix)
    torch.save({'model': official, 'epoch': 99}, tmp_path / 'official.pth')
    backbone = detector_backbone(tmp_path / 'official.pth', pad_small_map=False)
    images = torch.randn(1, 3, 224, 224)
    assert torch.equal(backbone(images)[-1], source(images)[-1])


def test_a_detector_of_mmdet_is_taken(tmp_path):
    from mmdet.models import SwinTransformer as DetectionSwin

    source = DetectionSwin(
        embed_dims=16, depths=TINY['depths'], num_heads=TINY['num_heads'], window_size=7
    )
    state = {f'backbone.{key}': value for key, value in source.state_dict().items()}
    state |= {'rpn_head.rpn_conv.weight': torch.ones(2)}
    torch.save({'state_dict': state}, tmp_path / 'detector.pth')
    backbone = detector_backbone(tmp_path / 'detector.pth')
    source.eval()
    images = torch.randn(1, 3, 160, 96)
    for ours, theirs in zip(backbone(images), source(images), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


def test_bias_tables_of_other_windows_are_resized(tmp_path, logged):
    source = small_swin(**WINDOW_14)
    torch.save(source.state_dict(), tmp_path / 'w14.pth')
    backbone = detector_backbone(tmp_path / 'w14.pth')
    assert (
        'relative position bias tables resized (bicubic) from window 14 to 7 in stages 0, 1, 2'
        in logged.text
    )
    name = 'stages.1.blocks.1.attn.w_msa.relative_position_bias_table'
    table = source.get_parameter(name)
    assert torch.equal(backbone.get_parameter(name), resize_bias_table(table, 7))
    kept = name.replace('stages.1', 'stages.3')
    assert torch.equal(backbone.get_parameter(kept), source.get_parameter(kept))


def test_resizing_a_table_keeps_what_is_smooth():
    """A plane over the offsets, away from the borders, and each head by itself."""
    old, new = torch.linspace(-1, 1, 13), torch.linspace(-1, 1, 27)
    plane = torch.stack([old[:, None] + 0 * old, 0 * old[:, None] + 2 * old], -1).view(169, 2)
    assert torch.equal(resize_bias_table(plane, 7), plane)
    resized = resize_bias_table(plane, 14).view(27, 27, 2)
    inner = slice(4, -4)
    torch.testing.assert_close(
        resized[inner, inner, 0], new[inner, None].expand(19, 19), atol=0.04, rtol=0
    )
    torch.testing.assert_close(
        resized[inner, inner, 1], 2 * new[None, inner].expand(19, 19), atol=0.08, rtol=0
    )
    # The bias of no offset stays the bias of no offset.
    assert resized[13, 13].abs().max() < 1e-5


@pytest.mark.parametrize(
    ('spoil', 'words'),
    [
        (
            lambda s: s.pop('backbone.stages.1.blocks.0.norm1.weight'),
            'lacks 1 of the .* such as stages.1.blocks.0.norm1.weight',
        ),
        (
            lambda s: s.update({'backbone.patch_embed.projection.bias': torch.ones(8)}),
            r'holds 1 weights of other shapes, such as patch_embed.projection.bias with \(8,\)',
        ),
        (
            lambda s: s.update({'backbone.stages.1.blocks.2.norm1.weight': torch.ones(32)}),
            'holds 1 weights more than the backbone, such as stages.1.blocks.2.norm1.weight',
        ),
        (
            lambda s: [s.pop(k) for k in list(s) if k.startswith('backbone')],
            "its format is not known: its weights have names like 'neck.mask_token'",
        ),
        (
            lambda s: [s.pop(k) for k in list(s)],
            'its format is not known: it holds no weights',
        ),
        (
            lambda s: s.pop('backbone.patch_embed.projection.weight'),
            "lacks 'patch_embed.projection.weight', which every Swin has",
        ),
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
    assert '\n' not in message


@pytest.mark.parametrize(
    ('arch', 'words'),
    [
        (dict(TINY, depths=[2, 2, 4, 2]), 'lacks 26 of the'),
        (dict(TINY, depths=[2, 2, 1, 2]), 'holds 13 weights more than the backbone'),
        (dict(TINY, num_heads=[2, 2, 4, 8]), 'weights of other shapes'),
        (dict(TINY, embed_dims=32), 'weights of other shapes'),
    ],
)
def test_both_architectures_are_named(pretrained, arch, words):
    with pytest.raises(UserError, match=words) as caught:
        detector_backbone(pretrained[1], arch=arch)
    assert 'it is of 16 channels, depths 2-2-2-2, heads 1-2-4-8, windows 7-7-7-7' in str(
        caught.value
    )
    depths = '-'.join(map(str, arch['depths']))
    assert f'the backbone of {arch["embed_dims"]} channels, depths {depths}' in str(caught.value)


def test_swin_of_version_2_is_refused(tmp_path):
    state = {f'backbone.{k}': v for k, v in small_swin().state_dict().items()}
    official, _ = revert(state, 'official')
    official['layers.0.blocks.0.attn_scale'] = torch.ones(1)
    torch.save({'model': official}, tmp_path / 'v2.pth')
    with pytest.raises(
        UserError, match="'layers.0.blocks.0.attn_scale', which a Swin of version 1"
    ):
        detector_backbone(tmp_path / 'v2.pth')


def test_one_of_several_backbones_can_be_chosen(tmp_path):
    student, teacher = small_swin(), small_swin()
    state = {f'student.{k}': v for k, v in student.state_dict().items()}
    state |= {f'teacher.{k}': v for k, v in teacher.state_dict().items()}
    torch.save({'state_dict': state}, tmp_path / 'c.pth')
    init_cfg = dict(type='Pretrained', checkpoint=str(tmp_path / 'c.pth'), prefix='teacher.')
    backbone = detector_backbone('', init_cfg=init_cfg)
    assert torch.equal(backbone.norm3.weight, teacher.norm3.weight)


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


def test_a_folder_of_transformers_gives_its_features(tmp_path, logged):
    from transformers import SwinConfig, SwinModel

    config = SwinConfig(image_size=224, embed_dim=16, depths=[2, 2, 2, 2], num_heads=[1, 2, 4, 8])
    source = SwinModel(config, add_pooling_layer=False).eval()
    source.save_pretrained(tmp_path / 'theirs')
    backbone = detector_backbone(tmp_path / 'theirs', pad_small_map=False)
    images = torch.randn(1, 3, 224, 224)
    with torch.no_grad():
        ours = backbone(images)[-1].flatten(2).transpose(1, 2)
        torch.testing.assert_close(ours, source(images).last_hidden_state, atol=1e-4, rtol=1e-4)
    assert '(Swin by transformers names)' in logged.text


def test_the_moving_average_is_taken_as_timm_takes_it(tmp_path, logged):
    raw, average = small_swin(), small_swin()
    checkpoint = {'state_dict': raw.state_dict(), 'state_dict_ema': average.state_dict()}
    torch.save(checkpoint, tmp_path / 'c.pth')
    backbone = detector_backbone(tmp_path / 'c.pth')
    assert torch.equal(backbone.norm3.weight, average.norm3.weight)
    assert 'the moving average of its weights' in logged.text


def test_swin_v2_of_timm_is_named(tmp_path):
    state = timm.create_model(
        'swinv2_tiny_window8_256', depths=(1, 1, 1, 1), embed_dim=24
    ).state_dict()
    torch.save(state, tmp_path / 'v2.pth')
    with pytest.raises(UserError, match='it is of Swin V2, whose attention is another one'):
        detector_backbone(tmp_path / 'v2.pth')
