"""The converter: every direction, judged by other libraries and the official outputs."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import TINY, TWINS, WINDOW_14, run_tool, small_swin, small_twins, timm_swin

from mmgreen.apis import convert_checkpoint
from mmgreen.errors import UserError
from mmgreen.registry import MODELS

FIXTURE = Path(__file__).parent.parent / 'data/greenmim_official_w7_224.npz'
TOOL = 'tools/converters/convert_checkpoint.py'


@pytest.fixture(scope='module')
def official() -> dict:
    """The fixture, and the parameters and image that it was made with."""
    data = dict(np.load(FIXTURE))
    meta = data['meta'] = json.loads(str(data['meta']))
    rng = np.random.RandomState(meta['seed'])
    state = {}
    for name, shape in zip(meta['names'], meta['shapes'], strict=True):
        value = rng.standard_normal(shape).astype(np.float32)
        if name.endswith('relative_position_bias_table'):
            value *= 0.5
        elif len(shape) == 1:
            value = 0.1 * value + float('norm' in name and name.endswith('weight'))
        else:
            value *= 0.08
        state[name] = torch.from_numpy(value.astype(np.float32))
    size = meta['img_size']
    image = rng.standard_normal((meta['batch'], 3, size, size)).astype(np.float32)
    return dict(data, state=state, image=torch.from_numpy(image))


@pytest.fixture(scope='module')
def model(official, tmp_path_factory) -> torch.nn.Module:
    """GreenMIM that strictly loads the converted checkpoint."""
    folder = tmp_path_factory.mktemp('converted')
    torch.save({'model': official['state'], 'epoch': 799}, folder / 'official.pth')
    done = run_tool(TOOL, folder / 'official.pth', folder / 'mmgreen.pth')
    assert done.returncode == 0, done.stderr
    assert 'GreenMIM by the official names' in done.stdout
    assert re.search(r'round trip: (\d+) of \1 tensors equal to the bit', done.stdout)
    assert 'outputs equal those of timm' in done.stdout

    meta = official['meta']
    norm = dict(type='LN', eps=meta['layer_norm_eps'])
    model = MODELS.build(
        dict(
            type='GreenMIM',
            backbone=dict(
                type='GreenSwinTransformer',
                arch=dict(
                    embed_dims=meta['embed_dim'],
                    depths=meta['depths'],
                    num_heads=meta['num_heads'],
                ),
                window_size=meta['window_size'],
                drop_path_rate=0.0,
                norm_cfg=norm,
                patch_cfg=dict(norm_cfg=norm),
                stage_cfgs=dict(block_cfgs=dict(norm_cfg=norm), downsample_cfg=dict(norm_cfg=norm)),
            ),
            neck=dict(
                type='GreenMIMDecoder',
                embed_dim=meta['embed_dim'] * 8,
                decoder_embed_dim=meta['decoder_embed_dim'],
                decoder_depth=meta['decoder_depth'],
                decoder_num_heads=meta['decoder_num_heads'],
                norm_cfg=norm,
            ),
            head=dict(
                type='GreenMIMHead',
                norm_pix=meta['norm_pix'],
                patch_size=32,
                loss=dict(type='PixelReconstructionLoss', criterion='L2'),
            ),
        )
    )
    checkpoint = torch.load(folder / 'mmgreen.pth', weights_only=True)
    model.load_state_dict(checkpoint['state_dict'], strict=True)
    model.eval()
    return model


def _mask(official: dict) -> torch.Tensor:
    return torch.from_numpy(official['mask']).bool().view(1, 7, 7)


def test_latents_and_predictions_equal_the_official_ones(official, model):
    out = model.reconstruct(official['image'], _mask(official))
    assert np.abs(out['latent'].numpy() - official['latent']).max() < 2e-4
    head = out['pred'][:, :, : official['pred_head'].shape[2]].numpy()
    assert np.abs(head - official['pred_head']).max() < 2e-4
    # 3072 values are summed; 2e-4 each would be 0.6
    assert np.abs(out['pred'].sum(-1).numpy() - official['pred_sum']).max() < 2e-2


def test_loss_and_gradients_equal_the_official_ones(official, model, monkeypatch):
    monkeypatch.setattr(model, 'draw_mask', lambda *_: _mask(official))
    loss = model.loss(official['image'])['loss']
    assert abs(loss.item() - float(official['loss'])) < 1e-5

    model.zero_grad()
    loss.backward()
    ours = {
        'encoder.patch_embed.proj.weight': 'backbone.patch_embed.projection.weight',
        'encoder.layers.0.blocks.1.attn.relative_position_bias_table': 'backbone.stages.0.blocks.1'
        '.attn.w_msa.relative_position_bias_table',
        'encoder.layers.1.blocks.0.attn.qkv.bias': 'backbone.stages.1.blocks.0.attn.w_msa.qkv.bias',
        'decoder_pred.bias': 'neck.decoder_pred.bias',
        'mask_token': 'neck.mask_token',
    }
    for theirs, name in ours.items():
        gradient = model.get_parameter(name).grad.numpy()
        assert np.abs(gradient - official[f'grad/{theirs}']).max() < 2e-4, name
    # Of patch merging, the four patches stand in another order.
    gradient = model.get_parameter('backbone.stages.2.downsample.norm.weight').grad
    gradient = gradient.view(-1, 4).t()[[0, 2, 1, 3]].flatten().numpy()
    theirs = official['grad/encoder.layers.2.downsample.norm.weight']
    assert np.abs(gradient - theirs).max() < 2e-4


def load(path: Path) -> dict:
    return torch.load(path, weights_only=True)


@pytest.mark.parametrize(('size', 'window'), [(224, 7), (224, 14), (192, 6)])
def test_from_timm_and_back(tmp_path, size, window):
    source = timm_swin(img_size=size, window_size=window)
    torch.save(source.state_dict(), tmp_path / 'timm.pth')
    done = run_tool(TOOL, tmp_path / 'timm.pth', tmp_path / 'ours.pth')
    assert done.returncode == 0, done.stderr
    assert "Swin by timm's names" in done.stdout
    assert 'outputs equal those of timm' in done.stdout

    done = run_tool(TOOL, tmp_path / 'ours.pth', tmp_path / 'back.pth', '--to', 'timm')
    assert done.returncode == 0, done.stderr
    assert "by mmpretrain's names" in done.stdout
    assert 'outputs equal those of mmpretrain' in done.stdout
    back = load(tmp_path / 'back.pth')
    timm_swin(img_size=size, window_size=window).load_state_dict(back)  # strictly
    assert all(torch.equal(back[key], value) for key, value in source.state_dict().items())


@pytest.mark.parametrize('classes', [0, 5])
def test_from_transformers_and_back(tmp_path, classes, capsys):
    """As its folders have it; what is written is a folder that it reads, with the same features."""
    from transformers import AutoModel, SwinConfig, SwinForImageClassification, SwinModel

    config = SwinConfig(
        image_size=224,
        embed_dim=16,
        depths=[2, 2, 2, 2],
        num_heads=[1, 2, 4, 8],
        num_labels=classes or 2,
    )
    torch.manual_seed(0)
    source = (
        SwinForImageClassification(config)
        if classes
        else SwinModel(config, add_pooling_layer=False)
    )
    source.eval().save_pretrained(tmp_path / 'theirs')
    convert_checkpoint(tmp_path / 'theirs', tmp_path / 'ours.pth')
    said = capsys.readouterr().out
    assert "Swin by transformers' names" in said
    assert 'outputs equal those of transformers' in said
    convert_checkpoint(tmp_path / 'ours.pth', tmp_path / 'back', 'transformers')
    assert 'as transformers: outputs equal those of transformers' in capsys.readouterr().out
    back = AutoModel.from_pretrained(tmp_path / 'back', add_pooling_layer=False).eval()
    images = torch.randn(1, 3, 224, 224)
    backbone = source.swin if classes else source
    with torch.no_grad():
        assert torch.equal(back(images).last_hidden_state, backbone(images).last_hidden_state)
    card = (tmp_path / 'back/README.md').read_text()
    assert 'library_name: transformers' in card
    assert "AutoModel.from_pretrained('OWNER/NAME'" in card
    (wide,) = tmp_path.glob('ours.pth')
    weights = load(wide)['state_dict']
    assert ('head.fc.weight' in weights) == bool(classes)


def test_what_transformers_does_not_know_is_named(tmp_path):
    torch.save(small_swin(**WINDOW_14).state_dict(), tmp_path / 'c.pth')
    with pytest.raises(
        UserError, match=r'transformers has no Swin with windows of \(?\[?14, 14, 14, 7'
    ):
        convert_checkpoint(tmp_path / 'c.pth', tmp_path / 'folder', 'transformers')
    assert not (tmp_path / 'folder').exists()
    torch.save(small_twins().state_dict(), tmp_path / 'twins.pth')
    with pytest.raises(UserError, match='transformers has no Twins'):
        convert_checkpoint(tmp_path / 'twins.pth', tmp_path / 'twins.safetensors', 'transformers')


def test_a_classifier_of_mmpretrain_to_official_names(tmp_path):
    from mmpretrain.models import ImageClassifier
    from timm.models.swin_transformer import checkpoint_filter_fn

    source = ImageClassifier(
        backbone=dict(type='SwinTransformer', arch=TINY, window_size=7),
        neck=dict(type='GlobalAveragePooling'),
        head=dict(type='LinearClsHead', num_classes=5, in_channels=128),
    )
    source.eval()
    torch.save({'state_dict': source.state_dict()}, tmp_path / 'c.pth')
    done = run_tool(TOOL, tmp_path / 'c.pth', tmp_path / 'swin.pth', '--to', 'swin')
    assert done.returncode == 0, done.stderr
    assert 'derived from the geometry: backbone.stages.0' in done.stdout
    official = load(tmp_path / 'swin.pth')
    assert official['model']['head.weight'].shape == (5, 128)
    judge = timm_swin(num_classes=5)
    judge.load_state_dict(checkpoint_filter_fn(official, judge))
    images = torch.randn(2, 3, 224, 224)
    torch.testing.assert_close(judge(images), source(images), atol=1e-4, rtol=1e-4)

    # What it wrote it reads again.
    done = run_tool(TOOL, tmp_path / 'swin.pth', tmp_path / 'again.pth')
    assert done.returncode == 0, done.stderr
    again = load(tmp_path / 'again.pth')['state_dict']
    assert all(torch.equal(again[key], value) for key, value in source.state_dict().items())


def test_simmim_of_mmpretrain_and_its_official_names(tmp_path):
    from mmpretrain.models import SimMIM

    from mmgreen.checkpoints.converting import revert

    source = SimMIM(
        backbone=dict(
            type='SimMIMSwinTransformer',
            arch=TINY,
            img_size=192,
            stage_cfgs=dict(block_cfgs=dict(window_size=6)),
        ),
        neck=dict(type='SimMIMLinearDecoder', in_channels=128, encoder_stride=32),
        head=dict(
            type='SimMIMHead',
            patch_size=4,
            loss=dict(type='PixelReconstructionLoss', criterion='L1', channel=3),
        ),
    )
    official, _ = revert(source.state_dict(), 'official', 'encoder.', 'SimMIM')
    assert {'encoder.mask_token', 'decoder.0.weight', 'encoder.norm.weight'} <= official.keys()
    torch.save({'model': official}, tmp_path / 'official.pth')
    done = run_tool(TOOL, tmp_path / 'official.pth', tmp_path / 'ours.pth')
    assert done.returncode == 0, done.stderr
    assert 'SimMIM by the official names' in done.stdout
    source.load_state_dict(load(tmp_path / 'ours.pth')['state_dict'])  # strictly

    done = run_tool(TOOL, tmp_path / 'ours.pth', tmp_path / 'timm.pth', '--to', 'timm')
    assert done.returncode == 0, done.stderr
    assert re.search(r"dropped 3, timm's names have no place for it: .*mask_token", done.stdout)


def test_the_backbone_of_a_detector(tmp_path):
    state = {
        f'backbone.{k}': v for k, v in small_swin(out_indices=(0, 1, 2, 3)).state_dict().items()
    }
    state['roi_head.bbox_head.fc_cls.weight'] = torch.ones(2, 2)
    torch.save({'state_dict': state}, tmp_path / 'detector.pth')
    done = run_tool(TOOL, tmp_path / 'detector.pth', tmp_path / 'timm.pth', '--to', 'timm')
    assert done.returncode == 0, done.stderr
    assert "dropped 7, timm's names have no place for it: backbone.norm0.weight" in done.stdout
    timm_swin(num_classes=0).load_state_dict(load(tmp_path / 'timm.pth'))  # strictly


def test_the_newest_windows_are_read_off_the_tables(tmp_path):
    torch.save(small_swin(**WINDOW_14).state_dict(), tmp_path / 'c.pth')
    done = run_tool(TOOL, tmp_path / 'c.pth', tmp_path / 'swin.pth', '--to', 'swin')
    assert done.returncode == 0, done.stderr
    assert '16 channels, depths 2-2-2-2, heads 1-2-4-8, windows 14-14-14-7' in done.stdout
    assert 'as swin: outputs equal those of timm' in done.stdout


def official_swin() -> dict:
    from mmgreen.checkpoints.converting import revert

    weights = {f'backbone.{k}': v for k, v in small_swin().state_dict().items()}
    return revert(weights, 'official')[0]


def spoilt(change) -> dict:
    state = official_swin()
    change(state)
    return state


@pytest.mark.parametrize(
    ('make', 'words'),
    [
        (
            lambda: {'conv1.weight': torch.ones(4)},
            "its format is not known: its weights have names like 'conv1.weight'",
        ),
        (dict, 'its format is not known: it holds no weights'),
        (
            lambda: spoilt(lambda s: s.update({'layers.0.blocks.0.gate': torch.ones(4)})),
            "a weight named 'layers.0.blocks.0.gate', which a Swin of version 1 does not have",
        ),
        (
            lambda: spoilt(lambda s: s.pop('patch_embed.proj.weight')),
            "lacks 'patch_embed.projection.weight'",
        ),
        (
            lambda: spoilt(lambda s: s.pop('layers.1.blocks.1.mlp.fc1.weight')),
            'it is not a complete Swin',
        ),
        (
            lambda: spoilt(lambda s: s.update({'norm.weight': torch.ones(3)})),
            'it is not a complete Swin',
        ),
        (
            lambda: spoilt(
                lambda s: s.update(
                    {'layers.0.blocks.0.attn.relative_position_bias_table': torch.ones(100, 1)}
                )
            ),
            'is not that of a square window',
        ),
        (
            lambda: spoilt(lambda s: s.update(decoder_pos_embed=torch.ones(1, 49, 32))),
            'decoder_pos_embed is not the fixed sin-cos one',
        ),
    ],
)
def test_what_cannot_be_converted_is_said_and_nothing_written(tmp_path, make, words):
    torch.save({'model': make()}, tmp_path / 'bad.pth')
    done = run_tool(TOOL, tmp_path / 'bad.pth', tmp_path / 'out.pth')
    assert done.returncode == 1
    (sentence,) = [line for line in done.stderr.splitlines() if line.startswith('error: ')]
    assert 'bad.pth' in sentence
    assert words in sentence
    assert 'Traceback' not in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ['bad.pth']


def test_a_truncated_file_and_one_with_code_are_refused(tmp_path):
    torch.save({'model': official_swin()}, tmp_path / 'whole.pth')
    content = (tmp_path / 'whole.pth').read_bytes()
    (tmp_path / 'torn.pth').write_bytes(content[: len(content) // 2])
    torch.save({'model': official_swin(), 'args': Path('x')}, tmp_path / 'code.pth')
    for name, words in (
        ('torn.pth', 'torn.pth is truncated or not a checkpoint'),
        ('code.pth', 'code.pth holds pickled objects'),
        ('none.pth', 'none.pth does not exist'),
    ):
        done = run_tool(TOOL, tmp_path / name, tmp_path / 'out.pth')
        assert done.returncode == 1
        assert words in done.stderr
        assert not (tmp_path / 'out.pth').exists()
    done = run_tool(TOOL, tmp_path / 'code.pth', tmp_path / 'out.pth', '--allow-pickle')
    assert done.returncode == 0, done.stderr


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path):
    torch.save({'model': official_swin()}, tmp_path / 'c.pth')
    done = run_tool(TOOL, tmp_path / 'c.pth', tmp_path / 'c.pth/out.pth')
    assert done.returncode == 1
    assert 'error: cannot write' in done.stderr


@pytest.mark.parametrize('to', ['mmgreen', 'swin', 'timm'])
def test_the_three_stages_of_the_quickstart(tmp_path, capsys, to):
    arch = dict(embed_dims=32, depths=[1, 1, 2], num_heads=[1, 2, 4])
    backbone = MODELS.build(
        dict(
            type='mmgreen.GreenSwinTransformer',
            arch=arch,
            img_size=64,
            window_size=4,
            out_indices=(2,),
        )
    )
    torch.save(backbone.state_dict(), tmp_path / 'three.pth')
    convert_checkpoint(tmp_path / 'three.pth', tmp_path / 'out.pth', to)
    said = capsys.readouterr().out
    assert 'depths 1-1-2' in said
    assert said.count('outputs equal those of') == (1 if to == 'mmgreen' else 2)


def test_the_moving_average_is_what_is_converted_and_named(tmp_path, capsys):
    raw = small_twins('GreenPCPVT').state_dict()
    average = {key: value + 1 for key, value in raw.items()}
    torch.save(dict(state_dict=raw, state_dict_ema=average), tmp_path / 'both.pth')
    convert_checkpoint(tmp_path / 'both.pth', tmp_path / 'out.pth')
    assert 'the moving average of its weights' in capsys.readouterr().out
    got = load(tmp_path / 'out.pth')['state_dict']
    assert got.keys() == {f'backbone.{key}' for key in average}
    assert all(torch.equal(got[f'backbone.{key}'], value) for key, value in average.items())


@pytest.mark.parametrize('kind', TWINS)
def test_twins_go_to_official_names_and_back(kind, tmp_path, capsys):
    """Judged by mmpretrain and by timm."""
    model = small_twins(kind)
    torch.save(dict(state_dict=model.state_dict()), tmp_path / 'ours.pth')
    convert_checkpoint(tmp_path / 'ours.pth', tmp_path / 'official.pth', 'swin')
    convert_checkpoint(tmp_path / 'official.pth', tmp_path / 'back.pth')
    said = capsys.readouterr().out
    assert said.count('outputs equal those of timm') == 2
    assert said.count('outputs equal those of mmpretrain') == 1
    back = load(tmp_path / 'back.pth')['state_dict']
    weights = model.state_dict()
    assert {key.removeprefix('backbone.') for key in back} == weights.keys()
    assert all(torch.equal(back[f'backbone.{key}'], value) for key, value in weights.items())

    # As the start of a model, whose patches and blocks all come from there
    other = small_twins(
        kind, init_cfg=dict(type='Pretrained', checkpoint=str(tmp_path / 'back.pth'))
    )
    other.init_weights()
    assert all(torch.equal(other.state_dict()[key], value) for key, value in weights.items())
    wider = {**TWINS[kind], 'depths': [2, 2, 4, 2]}
    other = small_twins(kind, arch=wider, init_cfg=other.init_cfg)
    with pytest.raises(UserError, match=r'depths 2-2-3-2, the backbone of .* depths 2-2-4-2'):
        other.init_weights()
