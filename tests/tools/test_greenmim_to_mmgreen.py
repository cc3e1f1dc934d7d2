"""The converter, judged by outputs of the official implementation."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import run_tool

from mmgreen.registry import MODELS

FIXTURE = Path(__file__).parent.parent / 'data/greenmim_official_w7_224.npz'
TOOL = 'tools/converters/greenmim_to_mmgreen.py'


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


@pytest.mark.parametrize(
    ('state', 'words'),
    [
        ({'layers.0.blocks.0.norm1.weight': torch.ones(4)}, "no weights named 'encoder.layers"),
        (
            {'encoder.layers.0.blocks.0.gate': torch.ones(4)},
            "a weight named 'encoder.layers.0.blocks.0.gate'",
        ),
    ],
)
def test_refuses_a_checkpoint_of_another_project(tmp_path, state, words):
    torch.save({'model': state}, tmp_path / 'other.pth')
    done = run_tool(TOOL, tmp_path / 'other.pth', tmp_path / 'out.pth')
    assert done.returncode == 1
    assert words in done.stderr
    assert 'Traceback' not in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ['other.pth']


def test_refuses_a_truncated_checkpoint(official, tmp_path):
    torch.save({'model': official['state']}, tmp_path / 'whole.pth')
    content = (tmp_path / 'whole.pth').read_bytes()
    (tmp_path / 'torn.pth').write_bytes(content[: len(content) // 2])
    done = run_tool(TOOL, tmp_path / 'torn.pth', tmp_path / 'out.pth')
    assert done.returncode == 1
    assert 'torn.pth is truncated or not a checkpoint' in done.stderr
    assert not (tmp_path / 'out.pth').exists()
