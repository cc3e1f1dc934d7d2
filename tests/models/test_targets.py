"""What is predicted of hidden units: each target by a reference of its own, and the laws of all."""

from types import SimpleNamespace

import numpy as np
import pytest
import timm
import torch
import torch.nn.functional as F
from helpers import greenmim_config, randomise
from mmpretrain.models.selfsup.maskfeat import HOGGenerator

from mmgreen.checkpoints import load_backbone
from mmgreen.engine.hooks import ReconstructionHook
from mmgreen.errors import UserError
from mmgreen.models import GreenMIMHead, HOGHead, PyramidHead
from mmgreen.registry import MODELS
from mmgreen.visualization import draw_reconstructions

LOSS = dict(type='PixelReconstructionLoss', criterion='L2')
HEADS = {
    'pixels': dict(type='GreenMIMHead', norm_pix=True, loss=LOSS),
    'pyramid': dict(type='PyramidHead'),
    'edges': dict(type='HOGHead'),
    'teacher': dict(
        type='TeacherHead', teacher=dict(model='test_efficientnet', checkpoint='', depths=(2, 3))
    ),
}
SCALE = dict(type='SelfSupDataPreprocessor', mean=[127.0] * 3, std=[60.0] * 3)


def model_of(name, unit_size=32, **kwargs):
    config = greenmim_config(head=dict(HEADS[name]), unit_size=unit_size, **kwargs)
    config['backbone']['pad_small_map'] = True
    model = MODELS.build(config)
    randomise(model)
    return model.eval()


def head_of(name, side):
    return MODELS.build(dict(HEADS[name], patch_size=side))


@pytest.mark.parametrize('side', [16, 32])
def test_pixels_are_those_of_each_unit(side):
    head = head_of('pixels', side)
    assert isinstance(head, GreenMIMHead)
    images = torch.randn(2, 3, 64, 96)
    units = torch.tensor([[0, 3, 5]], dtype=torch.int32)
    target = head.target(images, units)
    for b in range(2):
        for u, unit in enumerate(units[0].tolist()):
            row, col = divmod(unit, 96 // side)
            cut = images[b, :, row * side : (row + 1) * side, col * side : (col + 1) * side]
            values = cut.permute(1, 2, 0).flatten()
            expected = (values - values.mean()) / (values.var() + 1e-6) ** 0.5
            torch.testing.assert_close(target[b, u], expected)


def test_the_pyramid_has_each_scale():
    head = PyramidHead(16, factors=(1, 4), norm_pix=False)
    images = torch.randn(2, 3, 32, 48)
    units = torch.tensor([[1, 5], [0, 2]], dtype=torch.int32)
    target = head.target(images, units)
    assert target.shape == (2, 2, head.values) == (2, 2, 16 * 16 * 3 + 4 * 4 * 3)
    for b in range(2):
        for u, unit in enumerate(units[b].tolist()):
            row, col = divmod(unit, 3)
            cut = images[b, :, row * 16 : row * 16 + 16, col * 16 : col * 16 + 16]
            fine, coarse = target[b, u].split([768, 48])
            assert torch.equal(fine, cut.permute(1, 2, 0).flatten())
            small = cut.reshape(3, 4, 4, 4, 4).mean((2, 4))
            torch.testing.assert_close(coarse, small.permute(1, 2, 0).flatten())


def test_each_scale_counts_as_much():
    head = PyramidHead(16, factors=(1, 4))
    images, units = torch.randn(1, 3, 32, 32), torch.zeros(1, 1, dtype=torch.int32)
    right = head.target(images, units)
    fine, coarse = right.clone(), right.clone()
    fine[..., :768] += 1
    coarse[..., 768:] += 1
    for pred in (fine, coarse):
        torch.testing.assert_close(head.judge(pred, right), torch.tensor(0.5))


def test_edges_are_those_of_mmpretrain():
    """Of square images of 224 pixels without a window, which are all that its last step takes."""
    images = torch.randn(2, 3, 224, 224)
    expected = HOGGenerator(gaussian_window=0)(images)  # (B, 14 * 14, 108), units of 16 pixels
    units = torch.arange(196, dtype=torch.int32)[None]
    found = HOGHead(16).target(images, units)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize('name', HEADS)
@pytest.mark.parametrize('unit_size', [32, 16])
def test_what_is_right_costs_nothing_and_each_token_tells_its_own_units(name, unit_size):
    """A decoder that knows the target of every unit has no loss, from tokens to units and back."""
    model = model_of(name, unit_size)
    images = torch.randn(2, 3, 64, 96)
    grid, within = (2, 3), 32 // unit_size
    all_units = torch.arange(grid[0] * grid[1] * within**2, dtype=torch.int32)[None]
    right = model.head.target(images, all_units)  # row-major over the image
    tokens = right.view(2, grid[0], within, grid[1], within, -1).transpose(2, 3)
    tokens = tokens.reshape(2, grid[0] * grid[1], within**2, -1)
    if name == 'pixels':  # whose tokens are pictures: rows of their units lie side by side
        tokens = tokens.view(*tokens.shape[:2], within, within, unit_size, unit_size, 3).transpose(
            3, 4
        )
    tokens = tokens.reshape(2, grid[0] * grid[1], -1)

    def decode(latent, restore, grid, hidden=None):
        lists = tokens.reshape(len(latent), -1, tokens.shape[2])
        return lists if hidden is None else lists.index_select(1, hidden)

    model.neck.forward = decode
    assert model.loss(images)['loss'] == pytest.approx(0, abs=1e-10)
    out = model.reconstruct(images)
    torch.testing.assert_close(out['pred'], right)
    assert ('image' in out) == model.head.draws
    if model.head.draws:
        torch.testing.assert_close(out['image'], images, atol=1e-4, rtol=0)


@pytest.mark.parametrize('name', HEADS)
@pytest.mark.parametrize('sharing', ['batch', 'sample'])
def test_masked_pixels_never_reach_the_encoder(name, sharing):
    model = model_of(name, mask_sharing=sharing)
    images = torch.randn(2, 3, 224, 224)
    mask = model.draw_mask((224, 224), 2 if sharing == 'sample' else 1)
    hidden = mask.repeat_interleave(32, 1).repeat_interleave(32, 2)[:, None]
    before = model.reconstruct(images, mask)['pred']
    after = model.reconstruct(images.masked_fill(hidden, 7.0), mask)['pred']
    assert torch.equal(before, after)


@pytest.mark.parametrize('name', ['pyramid', 'edges', 'teacher'])
def test_a_step_learns(name):
    torch.manual_seed(0)
    model = model_of(name).train()
    images = F.interpolate(torch.randn(4, 3, 14, 14), 224, mode='bilinear')
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    losses = []
    for _ in range(8):
        loss = model.loss(images)['loss']
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.9 * losses[0]


def test_what_can_be_drawn_is_said():
    picture = np.random.default_rng(0).integers(0, 255, (224, 224, 3), np.uint8)
    assert draw_reconstructions(
        model_of('pyramid', data_preprocessor=SCALE), [picture], 224
    ).shape == (680, 224, 3)
    with pytest.raises(UserError, match='what HOGHead predicts is no picture'):
        draw_reconstructions(model_of('edges'), [picture], 224)


@pytest.mark.parametrize(
    ('head', 'words'),
    [
        (dict(type='HOGHead', cell=5), 'units of 32 pixels are not filled by cells of 5'),
        (dict(type='PyramidHead', factors=(2, 4)), 'must begin with 1'),
        (dict(type='PyramidHead', factors=(1, 5)), 'divide units of 32 pixels'),
        (
            dict(HEADS['teacher'], loss='l7'),
            "loss 'l7' is unknown: choose from mse, smooth_l1, cosine",
        ),
        (
            dict(HEADS['teacher'], teacher=dict(model='resnet_of_mine')),
            "teacher 'resnet_of_mine' is no net of timm .*: did you mean",
        ),
        (
            dict(HEADS['teacher'], teacher=dict(model='test_vit', checkpoint='nowhere.pth')),
            'checkpoint nowhere.pth does not exist',
        ),
    ],
)
def test_targets_that_do_not_fit_are_refused(head, words):
    with pytest.raises(UserError, match=words):
        MODELS.build(dict(greenmim_config(), head=head))


def test_a_run_whose_target_is_no_picture_draws_none():
    said = []
    runner = SimpleNamespace(
        model=model_of('edges'), logger=SimpleNamespace(info=said.append), iter=0
    )
    hook = ReconstructionHook('nowhere')
    hook.before_train(runner)
    hook._draw(runner, 1)
    assert said == ['Not drawn: what HOGHead predicts is no picture']


@pytest.mark.parametrize(
    ('name', 'depths', 'unit'), [('test_vit', (2, 5), 16), ('test_resnet', (3, 4), 32)]
)
def test_a_teacher_says_what_timm_says(name, depths, unit, tmp_path):
    """From a file, of images that are scaled so that its deepest map is the grid of units."""
    net = timm.create_model(name).eval()
    randomise(net)
    torch.save(net.state_dict(), tmp_path / 'net.pth')
    teacher = dict(model=name, checkpoint=str(tmp_path / 'net.pth'), depths=depths)
    head = MODELS.build(dict(type='TeacherHead', teacher=teacher, patch_size=unit))
    images = torch.randn(2, 3, 64, 96)
    units = torch.tensor([[0, 3]], dtype=torch.int32)
    found = head.target(images, units)

    mean, std = torch.tensor([123.675, 116.28, 103.53]), torch.tensor([58.395, 57.12, 57.375])
    pixels = (images * std.view(3, 1, 1) + mean.view(3, 1, 1)) / 255
    about = net.pretrained_cfg
    theirs = (pixels - torch.tensor(about['mean']).view(3, 1, 1)) / torch.tensor(about['std']).view(
        3, 1, 1
    )
    stride = head.teacher.strides[-1]
    grid = 64 // unit, 96 // unit
    if stride != unit:
        size = tuple(side * stride for side in grid)
        theirs = F.interpolate(theirs, size, mode='bicubic', antialias=True)
    with torch.no_grad():
        maps = head.teacher.net.maps(theirs)
        if name == 'test_vit':  # the file's weights, by timm's own way to features
            own = timm.create_model(name, dynamic_img_size=True)
            own.load_state_dict(net.state_dict())
            expected = own.eval().forward_intermediates(
                theirs, indices=list(depths), intermediates_only=True
            )
            for map_, other in zip(maps, expected, strict=True):
                torch.testing.assert_close(map_, other)
    parts = [F.adaptive_avg_pool2d(map_, grid) for map_ in maps]
    parts = [F.layer_norm(p.permute(0, 2, 3, 1), p.shape[1:2], eps=1e-6) for p in parts]
    expected = torch.cat(parts, dim=3).flatten(1, 2)[:, [0, 3]]
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_weights_of_other_names_are_taken_in_their_order(tmp_path):
    net = timm.create_model('test_efficientnet')
    state = net.state_dict()
    torch.save({f'_{i}.x': value for i, value in enumerate(state.values())}, tmp_path / 'other.pth')
    teacher = dict(model='test_efficientnet', checkpoint=str(tmp_path / 'other.pth'), depths=(2, 3))
    head = MODELS.build(dict(type='TeacherHead', teacher=teacher))
    for name, value in head.teacher.net.module.state_dict().items():
        assert torch.equal(value, state[name])
    short = dict(list(state.items())[:-3])
    torch.save({f'_{i}.x': value for i, value in enumerate(short.values())}, tmp_path / 'other.pth')
    with pytest.raises(UserError, match='test_efficientnet cannot be had from'):
        MODELS.build(dict(type='TeacherHead', teacher=teacher))


def test_a_teacher_is_neither_trained_nor_saved():
    model = model_of('teacher').train()
    net = model.head.teacher.net.module
    before = {name: value.clone() for name, value in net.state_dict().items()}
    model.loss(torch.randn(2, 3, 224, 224))['loss'].backward()
    assert not net.training
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert all(p.grad is None and not p.requires_grad for p in net.parameters())
    assert not [name for name in model.state_dict() if name.startswith('head')]
    assert not {id(p) for p in net.parameters()} & {id(p) for p in model.parameters()}


@pytest.mark.parametrize(('loss', 'far'), [('mse', 4.0), ('smooth_l1', 1.5), ('cosine', 0.0)])
def test_losses_of_a_teacher(loss, far):
    head = MODELS.build(dict(HEADS['teacher'], loss=loss))
    images, units = torch.randn(1, 3, 64, 64), torch.arange(4, dtype=torch.int32)[None]
    right = head.target(images, units)
    assert head.judge(right, right) == pytest.approx(0, abs=1e-6)
    wrong = right + 2 if loss != 'cosine' else 3 * right  # the length does not matter
    assert head.judge(wrong, right) == pytest.approx(far, abs=1e-5)


def test_weights_that_cannot_be_downloaded_are_one_sentence(monkeypatch):
    def fail(*args, **kwargs):
        raise OSError('the Hub does not answer\nand more')

    monkeypatch.setattr(timm, 'create_model', fail)
    with pytest.raises(
        UserError, match='cannot be had from what timm downloads .*: the Hub does not answer$'
    ):
        MODELS.build(dict(type='TeacherHead', teacher=dict(model='test_vit')))


@pytest.mark.parametrize('name', HEADS)
@pytest.mark.parametrize(('unit_size', 'sharing'), [(32, 'batch'), (16, 'sample'), (8, 'batch')])
def test_every_stage_learns(name, unit_size, sharing):
    """Each stage by its own decoder, of its own scale, beside the last stage as it is without."""
    losses = {}
    for weights in ((), (0.5, 0.25)):
        torch.manual_seed(0)
        model = model_of(name, unit_size, stage_weights=weights, mask_sharing=sharing)
        if losses:
            state = losses[()][0].state_dict()
            assert set(state) < set(model.state_dict())
            model.load_state_dict(state, strict=False)
            if name == 'teacher':
                model.head = losses[()][0].head
        torch.manual_seed(1)
        images = torch.randn(2, 3, 64, 96)
        losses[weights] = model, model.train().loss(images)
    (_, last), (model, all_) = losses.values()
    parts = [all_[f'stage_{stage}'] for stage in (2, 3)]
    torch.testing.assert_close(all_['loss'], last['loss'] + sum(parts))
    all_['loss'].backward()
    for parameter, value in model.stage_decoders.named_parameters():
        # Of units of 8 pixels some are visible in every token, and no place is empty.
        if unit_size > 8 or 'mask_token' not in parameter:
            assert value.grad.abs().sum() > 0, parameter
    scales = model.head.scales()
    assert model.stage_decoders.parts == [
        scales[max(0, len(scales) - 3)],
        scales[max(0, len(scales) - 2)],
    ]


def test_a_stage_is_decoded_at_its_own_places():
    """Tokens of a stage reach the decoder as the pixels of their unit, whatever hides the others."""
    model = model_of('edges', stage_weights=(1.0,))
    images = torch.randn(1, 3, 224, 224)
    seen = []
    decoder = model.stage_decoders.decoders[0]
    decoder.decoder_embed.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    with torch.no_grad():
        for _ in range(2):
            layout = model.build_layout(0, images)
            model.layouts.take, model.layouts.prepare = (lambda _, at=layout: at), (lambda _: None)
            *_, tokens, _ = model.backbone.forward_sparse(images, layout)
            model.loss(images)
    assert torch.equal(seen[-1], tokens.view(1, -1, 4 * 64))


def test_a_detector_starts_from_all_stages_and_their_norms(tmp_path):
    model = model_of('edges', stage_weights=(1.0, 1.0))
    torch.save(dict(state_dict=model.state_dict()), tmp_path / 'pretrained.pth')
    config = greenmim_config()['backbone'] | dict(out_indices=(0, 1, 2, 3))
    backbone = MODELS.build(config)
    load_backbone(backbone, str(tmp_path / 'pretrained.pth'))
    trained = model.backbone.state_dict()
    assert {'norm1.weight', 'norm2.weight', 'norm3.weight'} <= trained.keys()
    assert all(torch.equal(backbone.state_dict()[name], value) for name, value in trained.items())


def test_weights_of_stages_that_are_not_there_are_refused():
    with pytest.raises(UserError, match='has 4 weights, and the backbone has 3 stages before'):
        model_of('edges', stage_weights=(1, 1, 1, 1))
