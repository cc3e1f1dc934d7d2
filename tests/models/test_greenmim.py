"""The algorithm: each latent at its own unit, the loss of the paper, reconstructions."""

import pytest
import torch
from helpers import TINY, finer_greenmim, greenmim_config, mask_with, small_greenmim
from mmengine.registry import MODELS as ROOT
from mmpretrain.models import BaseSelfSupervisor

from mmgreen.errors import UserError
from mmgreen.models.necks.greenmim_decoder import sincos_positions
from mmgreen.registry import FUNCTIONS, MODELS
from mmgreen.sparse import Window, num_visible


def test_is_a_self_supervisor_reached_from_every_scope():
    config = greenmim_config(type='mmgreen.GreenMIM')
    assert isinstance(ROOT.build(config), BaseSelfSupervisor)


@pytest.mark.parametrize('size', [(224, 224), (224, 448)])
def test_each_latent_meets_the_decoder_at_its_own_position(size):
    """Probe: the decoder's input at a unit is that unit's latent, everywhere else the mask token."""
    model = small_greenmim()
    images = torch.randn(2, 3, *size)
    grid = (size[0] // 32, size[1] // 32)
    mask = model.draw_mask(size)
    seen = {}
    model.neck.decoder_blocks[0].register_forward_pre_hook(
        lambda module, args: seen.update(x=args[0].detach())
    )
    latent = model.reconstruct(images, mask)['latent']
    x = seen['x'] - sincos_positions(*grid, 32)
    visible = (~mask).flatten().nonzero()[:, 0].tolist()
    for unit in range(grid[0] * grid[1]):
        if unit in visible:
            expected = model.neck.decoder_embed(latent[:, visible.index(unit)])
        else:
            expected = model.neck.mask_token[:, 0].expand(2, -1)
        torch.testing.assert_close(x[:, unit], expected, atol=1e-5, rtol=0)


def test_positions_are_those_of_mae():
    """First half of the channels: sin and cos of the column; second half: of the row."""
    positions = sincos_positions(3, 5, 16).view(3, 5, 16)
    frequency = 10000 ** (-torch.arange(4) / 4)
    row, col = 2, 4
    expected = torch.cat([f(p * frequency) for p in (col, row) for f in (torch.sin, torch.cos)])
    torch.testing.assert_close(positions[row, col], expected)


def test_loss_is_the_mean_over_masked_units_of_normalised_targets():
    model = small_greenmim()
    images = 3 * torch.randn(2, 3, 224, 448) + 1
    mask = model.draw_mask((224, 448))
    model.draw_mask = lambda *_, **__: mask
    pred = model.reconstruct(images, mask)['pred']
    total = []
    for i in range(2):
        for unit in mask.flatten().nonzero()[:, 0].tolist():
            row, col = divmod(unit, 14)
            target = images[i, :, row * 32 : row * 32 + 32, col * 32 : col * 32 + 32]
            target = target.permute(1, 2, 0).flatten()  # row, column, channel
            target = (target - target.mean()) / (target.var() + 1e-6).sqrt()
            total.append((pred[i, unit] - target).square().mean())
    loss = model.loss(images)['loss']
    torch.testing.assert_close(loss, torch.stack(total).mean())


@pytest.mark.parametrize('sharing', ['batch', 'sample'])
@pytest.mark.parametrize('unit', [16, 8, 4])
def test_loss_of_finer_units_is_the_mean_over_masked_ones(unit, sharing):
    """In tokens that are partly visible, too."""
    model = finer_greenmim(unit, mask_sharing=sharing)
    images = 3 * torch.randn(2, 3, 96, 128) + 1
    mask = model.draw_mask((96, 128), 2 if sharing == 'sample' else 1)
    assert mask.shape[1:] == (96 // unit, 128 // unit)
    model.draw_mask = lambda *_, **__: mask
    pred = model.reconstruct(images, mask)['pred']
    total = []
    for i, hidden in enumerate(mask.expand(2, -1, -1)):
        for row, col in hidden.nonzero().tolist():
            target = images[i, :, row * unit : (row + 1) * unit, col * unit : (col + 1) * unit]
            target = target.permute(1, 2, 0).flatten()
            target = (target - target.mean()) / (target.var() + 1e-6).sqrt()
            total.append((pred[i, row * (128 // unit) + col] - target).square().mean())
    torch.testing.assert_close(model.loss(images)['loss'], torch.stack(total).mean())


@pytest.mark.parametrize('unit', [16, 8, 4])
def test_reconstruct_keeps_what_is_visible_to_the_pixel(unit):
    model = finer_greenmim(unit)
    images = torch.randn(2, 3, 96, 128)
    out = model.reconstruct(images)
    hidden = out['mask'].repeat_interleave(unit, 1).repeat_interleave(unit, 2)[:, None]
    assert torch.equal((out['image'] == images).all(1, keepdim=True), ~hidden)
    right = model.head.construct_target(images)
    same = model.head.reconstruct(right, images, out['mask'])
    torch.testing.assert_close(same, images, atol=1e-4, rtol=0)


def test_what_stands_in_for_missing_tokens_is_learnt_where_some_can_be_missing():
    """One for each merging after which tokens are larger than units; the backbone has none."""
    for unit, channels in ((64, []), (32, []), (16, [64]), (8, [32, 64]), (4, [16, 32, 64])):
        model = finer_greenmim(unit)
        assert [len(vector) for vector in model.stand_ins] == channels
        assert not any('stand_ins' in name for name in model.backbone.state_dict())
        model.loss(torch.randn(2, 3, 128, 192))['loss'].backward()
        assert all(vector.grad.abs().sum() > 0 for vector in model.stand_ins)


def centre(height, width, mask_ratio, num_masks, generator):
    """A mask of one's own: all but the first units."""
    visible = num_visible(height * width, mask_ratio)
    mask = torch.arange(height * width) >= visible
    return mask.view(1, height, width).expand(num_masks, -1, -1)


@pytest.mark.parametrize(
    'masking', ['block', 'grid', 'own', centre, dict(type='block', min_units=4)]
)
def test_masks_from_elsewhere(masking, monkeypatch):
    monkeypatch.setitem(FUNCTIONS._module_dict, 'own', centre)
    model = finer_greenmim(16, masking=masking, mask_sharing='sample')
    mask = model.draw_mask((64, 128), 3)
    assert (~mask).flatten(1).sum(1).tolist() == [8] * 3
    if masking in ('own', centre):
        assert not mask[:, 0].any()
    model.loss(torch.randn(3, 3, 64, 128))['loss'].backward()


def test_masks_of_one_kind_follow_from_seed_and_step():
    images = torch.randn(2, 3, 224, 224)
    first = visible_units(small_greenmim(masking='block'), images, 3)
    torch.rand(5)
    assert visible_units(small_greenmim(masking='block'), images, 3) == first


@pytest.mark.parametrize(
    ('masking', 'words'),
    [
        ('spiral', "masking 'spiral' is unknown: choose from random, block, grid, or register"),
        (dict(min_units=4), "masking 'None' is unknown"),
        (dict(type='block', area=4), "'block' does not take these settings: .*'area'"),
    ],
)
def test_masking_that_is_not_there_is_said_at_once(masking, words):
    with pytest.raises(UserError, match=words):
        small_greenmim(masking=masking)


@pytest.mark.parametrize(
    ('mask', 'words'),
    [
        (torch.ones(1, 7, 7, dtype=torch.bool), 'at least one'),
        (torch.zeros(1, 7, 6, dtype=torch.bool), r'shape \(1, 7, 6\), not \(1, 7, 7\)'),
    ],
)
def test_masks_of_ones_own_must_fit(mask, words):
    with pytest.raises(UserError, match=words):
        small_greenmim(masking=lambda *_: mask).loss(torch.randn(1, 3, 224, 224))


def test_masks_of_another_unit_are_refused():
    with pytest.raises(UserError, match='have 14x14 units of 16 pixels'):
        finer_greenmim(16).reconstruct(torch.randn(1, 3, 224, 224), mask_with(7, 7, [3]))


def test_loss_does_not_depend_on_masked_pixels_through_the_encoder():
    model = small_greenmim()
    images = torch.randn(1, 3, 224, 224)
    mask = model.draw_mask((224, 224))
    before = model.reconstruct(images, mask)
    hidden = mask.repeat_interleave(32, 1).repeat_interleave(32, 2)[:, None]
    after = model.reconstruct(images.masked_fill(hidden, 7.0), mask)
    assert torch.equal(before['pred'], after['pred'])


@pytest.mark.parametrize('norm_pix', [True, False])
@pytest.mark.parametrize('num_masks', [1, 2])
def test_reconstruct(norm_pix, num_masks):
    config = greenmim_config()
    config['head']['norm_pix'] = norm_pix
    model = MODELS.build(config)
    model.eval()
    images = 3 * torch.randn(2, 3, 224, 224) + 1
    mask = model.draw_mask((224, 224), num_masks)
    out = model.reconstruct(images, mask)
    assert out['latent'].numel() == 2 * 12 * 128
    assert out['pred'].shape == (2, 49, 32 * 32 * 3)
    assert out['mask'].shape == (2, 7, 7)
    assert torch.equal(out['mask'], mask.expand(2, -1, -1))
    hidden = out['mask'].repeat_interleave(32, 1).repeat_interleave(32, 2)[:, None]
    same = (out['image'] == images).all(1, keepdim=True)
    assert torch.equal(same, ~hidden)

    # A prediction that is right gives the images back, in their own scale.
    right = model.head.construct_target(images)
    torch.testing.assert_close(
        model.head.reconstruct(right, images, out['mask']), images, atol=1e-4, rtol=0
    )


def test_reconstruct_draws_a_mask_for_each_image():
    out = small_greenmim().reconstruct(torch.randn(4, 3, 224, 224))
    assert (~out['mask']).flatten(1).sum(1).tolist() == [12] * 4
    assert not torch.equal(out['mask'][0], out['mask'][1])


def test_extract_feat_is_dense():
    model = small_greenmim()
    features = model.extract_feat(torch.randn(2, 3, 224, 448))
    assert features[-1].shape == (2, 128, 7, 14)


def test_mask_ratio_and_unit_size_come_from_the_config():
    model = small_greenmim(mask_ratio=0.5, unit_size=64)
    mask = model.draw_mask((256, 384), num_masks=3)
    assert mask.shape == (3, 8, 12)
    assert (~mask).flatten(1).sum(1).tolist() == [48] * 3
    blocks = mask.view(3, 4, 2, 6, 2).transpose(2, 3).flatten(3)
    assert (blocks == blocks[..., :1]).all()  # four of the grid, masked together
    model = small_greenmim(
        unit_size=64,
        backbone=dict(greenmim_config()['backbone'], pad_small_map=True),
    )
    model.loss(torch.randn(1, 3, 256, 384))['loss'].backward()


def test_a_mask_for_each_sample():
    """The loss of a batch is the mean over its images, each under a mask of its own."""
    model = small_greenmim(mask_sharing='sample')
    images = torch.randn(3, 3, 224, 224)
    layout = model.build_layout(0, images)
    visible = layout.visible.tolist()
    assert [len(units) for units in visible] == [12] * 3
    assert visible[0] != visible[1] != visible[2]
    together = model.loss(images)['loss']
    alone = small_greenmim()
    alone.load_state_dict(model.state_dict())
    losses = []
    for i in range(3):
        alone.draw_mask = lambda *_, i=i: mask_with(7, 7, visible[i])
        alone.layouts.step += 1  # what was built ahead is of no use
        losses.append(alone.loss(images[i : i + 1])['loss'])
    torch.testing.assert_close(together, torch.stack(losses).mean())


def visible_units(model, images, steps):
    return [model.layouts.take(images).visible.tolist() for _ in range(steps)]


def test_masks_follow_from_seed_and_step():
    images = torch.randn(2, 3, 224, 224)
    first = visible_units(small_greenmim(), images, 6)
    assert all(a != b for a, b in zip(first, first[1:], strict=False))
    torch.rand(17)  # what else is drawn does not matter
    assert visible_units(small_greenmim(), images, 6) == first
    # A run that is resumed after three steps
    resumed = small_greenmim()
    resumed.layouts.step = 3
    assert visible_units(resumed, images, 3) == first[3:]
    torch.manual_seed(1)
    assert visible_units(small_greenmim(), images, 6) != first


def test_the_next_layout_is_built_after_the_forward_pass():
    """So that a device, which is behind the host by then, works meanwhile."""
    model, images = small_greenmim(), torch.randn(2, 3, 224, 224)
    events = []

    def record(name, function):
        return lambda *args: (events.append(name), function(*args))[1]

    layouts_for = model.layouts_for
    model.layouts.layouts_for = lambda images: record('layout', layouts_for(images))
    model.head.judge = record('loss', model.head.judge)
    model.loss(images)
    model.loss(images)
    assert events == ['layout', 'loss', 'layout', 'loss', 'layout']
    # Other images than the last ones: what was built ahead does not fit them
    events.clear()
    model.loss(torch.randn(2, 3, 224, 448))
    assert events == ['layout', 'loss', 'layout']


def test_layouts_built_ahead_are_those_of_their_step():
    images = torch.randn(2, 3, 224, 224)
    model, other = small_greenmim(), small_greenmim()
    other.load_state_dict(model.state_dict())
    other.layouts.prepare = lambda *_: None
    for _ in range(3):
        assert torch.equal(model.loss(images)['loss'], other.loss(images)['loss'])


@pytest.mark.parametrize('unit', [32, 8])
@pytest.mark.parametrize('sharing', ['batch', 'sample'])
def test_nothing_waits_for_the_device(sharing, unit):
    """Meta tensors have no values: whatever looks at one fails here, and waits on a GPU."""
    model = finer_greenmim(unit, mask_sharing=sharing).train().to('meta')
    images = torch.empty(4, 3, 224, 224, device='meta')
    layout = model.build_layout(0, images)
    assert layout.windows[0, Window(7, 3)].slots.is_meta
    loss = model.loss(images)['loss']
    loss.backward()
    assert loss.is_meta


@pytest.mark.parametrize('sharing', [pytest.param('batch', marks=pytest.mark.slow), 'sample'])
def test_compiled_steps_are_the_same_in_one_piece_and_never_compiled_anew(sharing):
    config = greenmim_config(mask_sharing=sharing)
    config['backbone'].update(arch=dict(TINY, depths=[2, 1, 1, 1]), pad_small_map=True)
    eager = MODELS.build({**config, 'cuda_graph': True}).train()  # whose masks are the same
    model = MODELS.build(config).train()
    model.load_state_dict(eager.state_dict())
    torch._dynamo.reset()
    model.compile(backend='aot_eager', fullgraph=True)  # no break of the graph
    images = torch.randn(2, 3, 160, 160)  # windows reach beyond the border

    def compare(steps):
        for _ in range(steps):
            loss, expected = model.loss(images)['loss'], eager.loss(images)['loss']
            loss.backward(), expected.backward()
            torch.testing.assert_close(loss, expected)

    compare(2)
    with torch.compiler.set_stance('fail_on_recompile'):
        compare(4)
    for (name, p), q in zip(model.named_parameters(), eager.parameters(), strict=True):
        torch.testing.assert_close(p.grad, q.grad, atol=1e-4, rtol=1e-3, msg=name)


def test_steps_of_many_shapes_are_not_compiled():
    with pytest.raises(UserError, match='compiled again and again: mask units of 16 pixels'):
        finer_greenmim(16).compile()


@pytest.mark.parametrize('sharing', ['batch', 'sample'])
def test_bf16_autocast_and_checkpointing(sharing):
    """Both change what is kept and how exactly, not what is computed."""
    images = torch.randn(2, 3, 224, 224)
    config = greenmim_config(mask_sharing=sharing)
    weights = MODELS.build(config).state_dict()
    gradients = []
    for with_cp, dtype in ((False, None), (True, None), (True, torch.bfloat16)):
        config['backbone']['with_cp'] = with_cp
        model = MODELS.build(config)
        model.load_state_dict(weights)
        with torch.autocast('cpu', dtype, enabled=dtype is not None):
            model.loss(images)['loss'].backward()
        assert all(p.grad.dtype == torch.float32 for p in model.parameters())
        gradients.append(torch.cat([p.grad.flatten() for p in model.parameters()]))
    exact, checkpointed, rough = gradients
    torch.testing.assert_close(checkpointed, exact)
    assert (rough - exact).norm() < 0.01 * exact.norm()


def test_training_learns_an_image():
    """A few steps on one image bring the loss down."""
    model = MODELS.build(greenmim_config())
    model.train()
    image = torch.nn.functional.interpolate(torch.randn(2, 3, 4, 4), 224, mode='bicubic')
    optimiser = torch.optim.AdamW(model.parameters(), 1e-2)
    losses = []
    for _ in range(60):
        loss = model.loss(image)['loss']
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert sum(losses[-5:]) < 0.7 * sum(losses[:5])


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        (dict(mask_ratio=0), 'mask_ratio must lie between 0 and 1'),
        (dict(mask_ratio=1.0), 'mask_ratio must lie between 0 and 1'),
        (dict(mask_sharing='image'), "mask_sharing 'image' is unknown"),
        (dict(unit_size=48), 'unit_size 48 is no multiple .* of 32 and none of 32, 16, 8, 4'),
        (dict(unit_size=2), 'unit_size 2 is no multiple'),
        (dict(unit_size=0), 'unit_size 0 is no multiple'),
        (dict(head=dict(greenmim_config()['head'], patch_size=16)), 'remove it, or set it to 32'),
        (
            dict(neck=dict(type='GreenMIMDecoder', embed_dim=128, patch_size=16)),
            'remove neck.patch_size, or set it to 32',
        ),
        (
            dict(neck=dict(type='GreenMIMDecoder', embed_dim=128, decoder_embed_dim=30)),
            'decoder_embed_dim 30 must be divisible by 4',
        ),
    ],
)
def test_settings_that_do_not_fit_are_explained(change, words):
    with pytest.raises(UserError, match=words):
        MODELS.build(greenmim_config(**change))


@pytest.mark.parametrize(
    ('change', 'size', 'words'),
    [
        ({}, (200, 224), '200x224 pixels .* not divisible by unit_size 32'),
        (dict(unit_size=64), (224, 224), 'not divisible by unit_size 64'),
        (dict(mask_ratio=0.99), (224, 224), 'leaves none of the 49 units visible'),
    ],
)
def test_images_that_do_not_fit_are_explained(change, size, words):
    with pytest.raises(UserError, match=words):
        small_greenmim(**change).loss(torch.randn(1, 3, *size))


def test_one_visible_unit_is_enough():
    model = small_greenmim()
    out = model.reconstruct(torch.randn(1, 3, 224, 224), mask_with(7, 7, [24]))
    assert out['latent'].shape == (1, 1, 128)
