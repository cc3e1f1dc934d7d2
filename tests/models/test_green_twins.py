"""Twins: sparse equals dense, masked pixels do not matter, one set of parameters."""

import pytest
import torch
import torch.nn.functional as F
from helpers import TWINS, mask_with, small_twins
from mmengine.registry import MODELS as ROOT
from mmpretrain.models import PCPVT, SVT
from mmpretrain.models.backbones.twins import LSAEncoderLayer

from mmgreen.errors import UserError
from mmgreen.registry import MODELS
from mmgreen.sparse import random_mask

LAST = [False, False, False, True]


@pytest.mark.parametrize('kind', TWINS)
def test_dense_path_and_names_are_those_of_mmpretrain(kind):
    arch = TWINS[kind]
    theirs = dict(GreenTwins=SVT, GreenPCPVT=PCPVT)[kind](arch=arch, norm_after_stage=LAST)
    ours = ROOT.build(dict(type=f'mmgreen.{kind}', arch=arch, norm_after_stage=LAST))
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict(theirs.state_dict())
    images = torch.randn(1, 3, 96, 128)
    ours.eval(), theirs.eval()
    assert torch.equal(ours(images)[-1], theirs(images)[-1])


@pytest.mark.parametrize('qkv_bias', [True, False])
@pytest.mark.parametrize('num_masks', [1, 2])
@pytest.mark.parametrize(
    ('kind', 'size'),
    [('GreenTwins', (224, 224)), ('GreenPCPVT', (96, 128))]
    # Maps padded in height and width, in one of them, and in other ones by stage
    + [('GreenTwins', size) for size in ((96, 160), (224, 128), (448, 64))],
)
def test_all_visible_equals_dense(kind, size, num_masks, qkv_bias):
    model = small_twins(kind, qkv_bias=qkv_bias)
    images = torch.randn(2, 3, *size)
    dense = model(images)[-1].flatten(2).transpose(1, 2)
    mask = torch.zeros(num_masks, size[0] // 32, size[1] // 32, dtype=torch.bool)
    sparse = model(images, mask)
    assert isinstance(sparse, tuple)
    assert len(sparse[-1]) == (2 if num_masks == 1 else 1)
    torch.testing.assert_close(sparse[-1].view_as(dense), dense, atol=1e-5, rtol=0)


def by_force(model, images, mask):
    """The last stage, densely, by masks alone: (B, visible units, C)."""
    mask = mask.expand(len(images), -1, -1)
    visible = ~mask.flatten(1)
    x = images
    for i, stage in enumerate(model.stages):
        x, (height, width) = model.patch_embeds[i](x)
        scale = 8 >> i  # tokens along a side of a unit
        seen = ~mask.repeat_interleave(scale, 1).repeat_interleave(scale, 2).flatten(1)
        x = x * seen[..., None]
        for j, block in enumerate(stage):
            y, attn = block.norm1(x), block.attn
            if isinstance(block, LSAEncoderLayer):
                side = attn.window_size
                row, col = torch.arange(height), torch.arange(width)
                window = (row[:, None] // side * 99 + col // side).flatten()
                heads = attn.num_heads
                q, k, v = attn.qkv(y).unflatten(2, (3, heads, -1)).unbind(2)
                here = (window[:, None] == window) & seen[:, None]
            else:
                heads = attn.num_heads
                q = attn.q(y).unflatten(2, (heads, -1))
                here = seen[:, None]
                if attn.sr_ratio > 1:
                    # A unit is one position of the convolution, all visible or all masked.
                    y = attn.sr(y.transpose(1, 2).unflatten(2, (height, width)))
                    y = attn.norm(y.flatten(2).transpose(1, 2))
                    here = visible[:, None]
                k, v = attn.kv(y).unflatten(2, (2, heads, -1)).unbind(2)
            scores = torch.einsum('bihd,bjhd->bhij', q, k) * q.shape[-1] ** -0.5
            scores = scores.masked_fill(~here[:, None], -1e9)
            out = torch.einsum('bhij,bjhd->bihd', scores.softmax(-1), v).flatten(2)
            x = (x + attn.proj(out)) * seen[..., None]
            x = (x + block.ffn(block.norm2(x))) * seen[..., None]
            if j == 0:
                depthwise = model.position_encodings[i].proj
                canvas = x.transpose(1, 2).unflatten(2, (height, width))
                moved = F.conv2d(canvas, depthwise.weight, depthwise.bias, 1, 1, 1, len(canvas[0]))
                x = (canvas + moved).flatten(2).transpose(1, 2) * seen[..., None]
        x = getattr(model, f'norm_after_stage{i}')(x)
        last, x = x, x.transpose(1, 2).unflatten(2, (height, width))
    return last[visible].view(len(images), -1, last.shape[-1])


@pytest.mark.parametrize('num_masks', [1, 2])
@pytest.mark.parametrize('kind', TWINS)
def test_equals_attention_masks_on_the_dense_model(kind, num_masks):
    """Latents and the gradients of everything; at 224 pixels no map is padded."""
    model = small_twins(kind).double()
    images = torch.randn(2, 3, 224, 224, dtype=torch.double)
    mask = random_mask(7, 7, 0.75, num_masks)
    results = []
    for out in (by_force(model, images, mask), model(images, mask)[-1].view(2, 12, -1)):
        weight = torch.linspace(-1, 1, out.numel(), dtype=torch.double).view_as(out)
        results.append([out, *torch.autograd.grad((out * weight).sum(), list(model.parameters()))])
    for ours, theirs in zip(*reversed(results), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-9, rtol=1e-6)


@pytest.mark.parametrize('kind', TWINS)
@pytest.mark.parametrize('num_masks', [1, 3])
def test_masked_pixels_change_nothing(kind, num_masks):
    model = small_twins(kind)
    images = torch.randn(3, 3, 96, 160)
    mask = random_mask(3, 5, 0.6, num_masks)
    before = model(images, mask)[-1]
    hidden = mask.repeat_interleave(32, 1).repeat_interleave(32, 2)[:, None]
    assert torch.equal(model(images.masked_fill(hidden, float('nan')), mask)[-1], before)


def test_one_mask_for_each_sample_equals_one_run_for_each():
    model = small_twins()
    images, masks = torch.randn(3, 3, 224, 224), random_mask(7, 7, 0.75, 3)
    together = model(images, masks)[-1].view(3, 12, -1)
    for i in range(3):
        alone = model(images[i : i + 1], masks[i : i + 1])[-1]
        torch.testing.assert_close(together[i], alone[0], atol=1e-5, rtol=0)


@pytest.mark.parametrize('sharing', ['batch', 'sample'])
def test_greenmim_trains_it(sharing):
    config = dict(
        type='GreenMIM',
        mask_sharing=sharing,
        backbone=dict(type='GreenTwins', arch=TWINS['GreenTwins'], norm_after_stage=LAST),
        neck=dict(type='GreenMIMDecoder', embed_dim=64, decoder_embed_dim=16, decoder_num_heads=2),
        head=dict(
            type='GreenMIMHead',
            norm_pix=True,
            loss=dict(type='PixelReconstructionLoss', criterion='L2'),
        ),
    )
    model = MODELS.build(config)
    model.train()
    images = F.interpolate(torch.randn(2, 3, 3, 4), (96, 128), mode='bicubic')
    optimiser = torch.optim.AdamW(model.parameters(), 1e-2)
    losses = []
    for _ in range(30):
        loss = model.loss(images)['loss']
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert all(p.grad is not None for p in model.parameters())
    assert sum(losses[-5:]) < 0.8 * sum(losses[:5])
    assert model.reconstruct(images)['image'].shape == images.shape


def test_a_finer_unit_is_refused():
    with pytest.raises(UserError, match='have one of these grids of units: 7x7'):
        small_twins()(torch.randn(1, 3, 224, 224), mask_with(14, 14, [1, 2]))


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        (dict(patch_sizes=[7, 3, 3, 3]), 'those of stage 1 are of 7x7 in steps of 4x4'),
        (dict(sr_ratios=[4, 4, 2, 1]), 'one sub-sampled position of stage 1 takes 16'),
    ],
)
def test_arch_that_has_no_sparse_path_is_refused(change, words):
    model = MODELS.build(dict(type='GreenTwins', arch={**TWINS['GreenTwins'], **change}))
    with pytest.raises(UserError, match=words):
        model(torch.randn(1, 3, 224, 224), mask_with(7, 7, [1, 2]))
