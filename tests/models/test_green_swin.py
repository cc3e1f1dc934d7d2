"""The backbone: sparse equals dense, masked pixels do not matter, one set of parameters."""

import pytest
import torch
from helpers import TINY, WINDOW_14, mask_with, small_swin
from mmengine.registry import MODELS as ROOT
from mmpretrain.models import SwinTransformer
from torch.overrides import TorchFunctionMode

from mmgreen.errors import UserError
from mmgreen.sparse import Window, random_mask

GEOMETRIES = [
    # window settings, image size (height, width)
    (dict(window_size=7), (224, 224)),
    (dict(window_size=7), (448, 224)),
    (dict(window_size=7), (224, 448)),
    (WINDOW_14, (224, 224)),
    (WINDOW_14, (448, 672)),
    (dict(window_size=6), (192, 192)),
    # maps that dense Swin pads to whole windows
    (dict(window_size=7), (256, 320)),
    (dict(window_size=7, pad_small_map=True), (96, 160)),
    (dict(window_size=14, pad_small_map=True), (64, 32)),
]


@pytest.mark.parametrize('num_masks', [1, 2])
@pytest.mark.parametrize(('settings', 'size'), GEOMETRIES)
def test_all_visible_equals_dense(settings, size, num_masks):
    model = small_swin(**settings)
    images = torch.randn(2, 3, *size)
    dense = model(images)[-1].flatten(2).transpose(1, 2)
    mask = torch.zeros(num_masks, size[0] // 32, size[1] // 32, dtype=torch.bool)
    sparse = model(images, mask)
    assert isinstance(sparse, tuple)
    assert len(sparse[-1]) == (2 if num_masks == 1 else 1)
    torch.testing.assert_close(sparse[-1].view_as(dense), dense, atol=1e-5, rtol=0)


@pytest.mark.parametrize('dropped', [0.0, 1.0])
@pytest.mark.parametrize(
    ('settings', 'size'), [(dict(window_size=7), (224, 288)), (dict(pad_small_map=True), (96, 160))]
)
def test_dense_equals_mmpretrain(settings, size, dropped):
    """Maps that are padded, windows that are shifted; gradients, in training too."""
    attention = dict(stage_cfgs=dict(block_cfgs=dict(attn_cfgs=dict(attn_drop=dropped))))
    ours = small_swin(**settings, **attention).double()
    ours.train()
    theirs = SwinTransformer(TINY, drop_path_rate=0.0, **settings, **attention)
    theirs.double().load_state_dict(ours.state_dict())
    theirs.train()
    images = torch.randn(2, 3, *size, dtype=torch.double)
    results = []
    for model in (ours, theirs):
        out = model(images)[-1]
        weight = torch.linspace(-1, 1, out.numel(), dtype=torch.double).view_as(out)
        results.append([out, *torch.autograd.grad((out * weight).sum(), [*model.parameters()])])
        model.eval()
        with torch.no_grad():
            results[-1].append(model(images)[-1])
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, atol=1e-9, rtol=1e-7)


def test_dense_attention_keeps_no_matrix():
    kept = []

    def pack(tensor):
        kept.append(tensor.shape)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        small_swin()(torch.randn(1, 3, 224, 224))
    of_windows = [shape for shape in kept if shape[-2:] == (49, 49)]
    # The biases: of a head, or with the mask of shifted windows, and not of each pair's weights.
    assert max(shape.numel() for shape in of_windows) <= 64 * 49 * 49
    assert len(of_windows) <= 8


@pytest.mark.parametrize('num_masks', [1, 2])
@pytest.mark.parametrize('unit', [16, 8, 4])
def test_all_visible_equals_dense_in_units_of_any_size(unit, num_masks):
    model = small_swin()
    images = torch.randn(2, 3, 224, 256)
    dense = model(images)[-1].flatten(2).transpose(1, 2)
    mask = torch.zeros(num_masks, 224 // unit, 256 // unit, dtype=torch.bool)
    sparse = model(images, mask)[-1]
    torch.testing.assert_close(sparse.view_as(dense), dense, atol=1e-5, rtol=0)


def by_force(model, images, mask, stand_ins):
    """The last stage, densely: each token over its window's visible ones, by masks alone.

    Returns the tokens that hold something visible, (tokens of all images, C), image by image.
    """
    unit = images.shape[2] // mask.shape[1]
    seen = ~mask.repeat_interleave(unit // 4, 1).repeat_interleave(unit // 4, 2)
    seen = seen.expand(len(images), -1, -1)  # [B, h, w]
    x, size = model.patch_embed(images)
    for i, stage in enumerate(model.stages):
        for block in stage.blocks:
            side, shift = block.attn.window_size, block.attn.shift_size
            height, width = (-(-n // side) * side for n in size)  # padded
            beyond = torch.ones(height, width, dtype=torch.bool)
            beyond[: size[0], : size[1]] = False
            row, col = (
                t.flatten()
                for t in torch.meshgrid(torch.arange(height), torch.arange(width), indexing='ij')
            )
            window = (row + side - shift) // side * 99 + (col + side - shift) // side
            pad = (0, 0, 0, width - size[1], 0, height - size[0])
            attended = torch.nn.functional.pad(block.norm1(x).view(len(x), *size, -1), pad)
            here = torch.nn.functional.pad(seen, (*pad[2:],)).flatten(1) | beyond.flatten()
            msa = block.attn.w_msa
            heads = msa.num_heads
            q, k, v = msa.qkv(attended.flatten(1, 2)).unflatten(2, (3, heads, -1)).unbind(2)
            down, right = (t[:, None] - t + side - 1 for t in (row, col))
            same = window[:, None] == window
            entry = torch.where(same, down * (2 * side - 1) + right, 0)
            scores = torch.einsum('bihd,bjhd->bhij', q * msa.scale, k)
            scores = scores + msa.relative_position_bias_table[entry].permute(2, 0, 1)
            hidden = ~(same & here[:, None])[:, None]  # [B, 1, i, j]
            hidden = hidden & ~torch.eye(len(row), dtype=torch.bool)  # no row without any
            weights = scores.masked_fill(hidden, float('-inf')).softmax(-1)
            out = torch.einsum('bhij,bjhd->bihd', weights, v).flatten(2)
            out = out.view(len(x), height, width, -1)[:, : size[0], : size[1]].flatten(1, 2)
            x = x + msa.proj(out)
            x = x + block.ffn.layers(block.norm2(x))
        if stage.downsample is not None:
            x = torch.where(seen.flatten(1)[..., None], x, stand_ins[i])
            x, size = stage.downsample(x, size)
            seen = seen.unflatten(2, (-1, 2)).unflatten(1, (-1, 2)).any(-1).any(2)
    return model.norm3(x)[seen.flatten(1)]


@pytest.mark.parametrize('num_masks', [1, 2])
@pytest.mark.parametrize('unit', [32, 16, 8, 4])
def test_equals_attention_masks_on_the_dense_model(unit, num_masks):
    """Latents and the gradients of everything, on an image of 64 pixels that is padded, too."""
    model = small_swin(window_size=3, pad_small_map=True).double()
    images = torch.randn(2, 3, 64, 64, dtype=torch.double)
    mask = random_mask(64 // unit, 64 // unit, 0.75, num_masks)
    stand_ins = [torch.randn(c, dtype=torch.double, requires_grad=True) for c in (16, 32, 64)]
    used = [c for c, size in zip(stand_ins, (8, 16, 32), strict=True) if unit < size]
    results = []
    for compute in (
        lambda: by_force(model, images, mask, stand_ins),
        lambda: model.forward_sparse(images, model.build_layout((64, 64), mask), used)[-1],
    ):
        out = compute().flatten(0, -2)
        weight = torch.linspace(-1, 1, out.numel(), dtype=torch.double).view_as(out)
        wanted = [*model.parameters(), *used]
        grads = torch.autograd.grad((out * weight).sum(), wanted)
        results.append([out, *grads])
    for ours, theirs in zip(*reversed(results), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-9, rtol=1e-7)


@pytest.mark.parametrize('num_masks', [1, 3])
@pytest.mark.parametrize('unit', [16, 8, 4])
def test_masked_pixels_change_nothing_in_units_of_any_size(unit, num_masks):
    model = small_swin()
    images = torch.randn(3, 3, 224, 256)
    mask = random_mask(224 // unit, 256 // unit, 0.6, num_masks)
    before = model(images, mask)[-1]
    hidden = mask.repeat_interleave(unit, 1).repeat_interleave(unit, 2)[:, None]
    poisoned = images.masked_fill(hidden, float('nan'))
    assert torch.equal(model(poisoned, mask)[-1], before)


def test_all_visible_has_the_gradients_of_dense():
    model = small_swin()
    images = torch.randn(2, 3, 224, 224)
    weight = torch.randn(2, 128, 7, 7)
    gradients = []
    for mask in (None, torch.zeros(1, 7, 7, dtype=torch.bool)):
        model.zero_grad()
        out = model(images, mask)[-1]
        if mask is not None:
            out = out.transpose(1, 2).view(2, 128, 7, 7)
        (out * weight).sum().backward()
        gradients.append({n: p.grad.clone() for n, p in model.named_parameters()})
    dense, sparse = gradients
    for name, expected in dense.items():
        scale = expected.abs().max()
        assert (sparse[name] - expected).abs().max() < 1e-4 * scale + 1e-6, name


@pytest.mark.parametrize('num_masks', [1, 3])
@pytest.mark.parametrize(('settings', 'size'), GEOMETRIES[:7])
def test_masked_pixels_change_nothing(settings, size, num_masks):
    model = small_swin(**settings)
    images = torch.randn(3, 3, *size)
    mask = random_mask(size[0] // 32, size[1] // 32, 0.6, num_masks)
    before = model(images, mask)[-1]
    hidden = mask.repeat_interleave(32, 1).repeat_interleave(32, 2)[:, None]
    poisoned = images.masked_fill(hidden, float('nan'))
    assert torch.equal(model(poisoned, mask)[-1], before)


class LinearRows(TorchFunctionMode):
    """Records how many rows each linear layer computes."""

    def __init__(self):
        super().__init__()
        self.rows = []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func is torch.nn.functional.linear:
            self.rows.append(args[0].shape[:-1].numel())
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize('num_masks', [1, 2])
def test_linear_layers_compute_the_visible_tokens_and_no_more(num_masks):
    """12 of 49 units: 768 tokens at the first stage, 12 at the last; padding nowhere."""
    model = small_swin()
    mask = random_mask(7, 7, 0.75, num_masks)
    windows = model.build_layout((224, 224), mask).windows[0, Window(7, 3)]
    assert len(windows.slots) > windows.num_tokens
    with LinearRows() as linear:
        model(torch.randn(2, 3, 224, 224), mask)
    block, merging = 4, 1  # linear layers
    expected = [2 * 768]  # patch embedding
    for tokens in (768, 192, 48):
        expected += [2 * tokens] * 2 * block + [2 * tokens // 4] * merging
    assert linear.rows == expected + [2 * 12] * 2 * block


def test_visible_pixels_do_change_the_latents():
    model = small_swin()
    images = torch.randn(1, 3, 224, 224)
    mask = mask_with(7, 7, [0, 9, 24, 48])
    before = model(images, mask)[-1]
    images[:, :, 32:64, 64:96] += 1  # unit 9
    changed = (model(images, mask)[-1] - before).abs().amax(-1)[0]
    assert changed[1] > 1e-3


@pytest.mark.parametrize('visible', [[0], [48], [3, 20, 21, 40], list(range(49))])
def test_any_number_of_visible_units(visible):
    model = small_swin()
    out = model(torch.randn(2, 3, 224, 224), mask_with(7, 7, visible))[-1]
    assert out.shape == (2, len(visible), 128)
    assert out.isfinite().all()


def test_latents_are_row_major_over_visible_units():
    """A unit that no other unit can reach by attention has the same latent alone."""
    model = small_swin()
    images = torch.randn(1, 3, 448, 448)
    # Far apart: units share no window at any stage (the last has 2x2 windows of 7x7 units).
    together = model(images, mask_with(14, 14, [0, 13, 182, 195]))[-1]
    for place, unit in enumerate([0, 13, 182, 195]):
        alone = model(images, mask_with(14, 14, [unit]))[-1]
        torch.testing.assert_close(together[:, place], alone[:, 0], atol=1e-5, rtol=0)


def test_one_mask_for_each_sample_equals_one_run_for_each():
    model = small_swin()
    images = torch.randn(3, 3, 224, 224)
    masks = random_mask(7, 7, 0.75, 3)
    assert not torch.equal(masks[0], masks[1])
    together = model(images, masks)[-1].view(3, 12, -1)
    for i in range(3):
        alone = model(images[i : i + 1], masks[i : i + 1])[-1]
        torch.testing.assert_close(together[i], alone[0], atol=1e-5, rtol=0)


def test_images_may_have_different_numbers_of_tokens():
    """Units finer than the stride: one list, image by image."""
    model = small_swin()
    images = torch.randn(3, 3, 224, 224)
    masks = random_mask(28, 28, 0.95, 3)
    alone = [model(images[i : i + 1], masks[i : i + 1])[-1][0] for i in range(3)]
    assert len({len(tokens) for tokens in alone}) > 1
    together = model(images, masks)[-1]
    torch.testing.assert_close(together, torch.cat(alone)[None], atol=1e-5, rtol=0)


def test_output_is_normalised_by_the_output_norm():
    model = small_swin()
    model.norm3.reset_parameters()
    out = model(torch.randn(1, 3, 224, 224), mask_with(7, 7, [1, 2, 3]))[-1]
    torch.testing.assert_close(out.mean(-1), torch.zeros(1, 3), atol=1e-5, rtol=0)
    torch.testing.assert_close(out.var(-1, correction=0), torch.ones(1, 3), atol=1e-3, rtol=0)


@pytest.mark.parametrize('after', [False, True])
def test_every_stage_can_be_returned(after):
    model = small_swin(out_indices=(0, 1, 2, 3), out_after_downsample=after)
    images = torch.randn(1, 3, 224, 224)
    dense = model(images)
    sparse = model(images, torch.zeros(1, 7, 7, dtype=torch.bool))
    for a, b in zip(dense, sparse, strict=True):
        # Nested order differs from row-major, but the set of tokens is the same.
        dense_sum, sparse_sum = a.flatten(2).sum(-1), b.sum(1)
        torch.testing.assert_close(sparse_sum, dense_sum, atol=1e-2, rtol=1e-4)
        assert b.shape[1] == a.shape[2] * a.shape[3]


def test_state_dict_is_that_of_mmpretrain():
    settings = dict(arch=TINY, window_size=7)
    ours = ROOT.build(dict(type='mmgreen.GreenSwinTransformer', **settings))
    theirs = SwinTransformer(**settings)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict(theirs.state_dict(), strict=True)
    images = torch.randn(1, 3, 224, 224)
    ours.eval(), theirs.eval()
    torch.testing.assert_close(ours(images)[-1], theirs(images)[-1], atol=1e-5, rtol=0)


@pytest.mark.parametrize('mask', [None, mask_with(7, 7, [3, 8, 20, 33])])
def test_checkpointing_changes_nothing(mask):
    results = []
    for with_cp in (False, True):
        torch.manual_seed(1)
        model = small_swin(with_cp=with_cp)
        model.train()
        images = torch.randn(2, 3, 224, 224, requires_grad=True)
        out = model(images, mask)[-1]
        out.square().sum().backward()
        table = model.stages[0].blocks[1].attn.w_msa.relative_position_bias_table
        results.append((out.detach(), table.grad, images.grad))
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize('mask', [None, mask_with(7, 7, [3, 8, 20, 33])])
@pytest.mark.parametrize('with_cp', [False, True])
def test_drop_path_drops_in_training_only(mask, with_cp):
    model = small_swin(drop_path_rate=0.9, with_cp=with_cp)
    images = torch.randn(4, 3, 224, 224)
    assert torch.equal(model(images, mask)[-1], model(images, mask)[-1])
    model.train()
    out = model(images, mask)[-1]
    assert not torch.allclose(out, model(images, mask)[-1])
    out.sum().backward()


@pytest.mark.parametrize('num_masks', [1, 8])
@pytest.mark.parametrize('unit', [32, 8])
def test_drop_path_drops_whole_images(unit, num_masks):
    """Of eight images, in one list too, each block drops some and keeps the others, scaled."""
    model = small_swin(arch=dict(TINY, depths=[1, 1, 1, 2]), drop_path_rate=0.5)
    images = torch.randn(1, 3, 224, 224).expand(8, -1, -1, -1)
    mask = random_mask(224 // unit, 224 // unit).expand(num_masks, -1, -1)
    model.train()
    out = model(images, mask)[-1].view(8, -1, 128)
    kinds = {tuple(image[0, :4].tolist()) for image in out}
    assert 1 < len(kinds) <= 8  # the images are the same: what differs is what was dropped
    model.eval()
    same = model(images, mask)[-1].view(8, -1, 128)
    torch.testing.assert_close(same[1:], same[:1].expand(7, -1, -1))


def test_absolute_positions_work_on_both_paths():
    model = small_swin(use_abs_pos_embed=True)
    torch.nn.init.normal_(model.absolute_pos_embed)
    for size in (224, 448):
        images = torch.randn(1, 3, size, size)
        dense = model(images)[-1].flatten(2).transpose(1, 2)
        sparse = model(images, torch.zeros(1, size // 32, size // 32, dtype=torch.bool))[-1]
        torch.testing.assert_close(sparse, dense, atol=1e-5, rtol=0)


def test_bf16_autocast():
    model = small_swin()
    images, mask = torch.randn(2, 3, 224, 224), random_mask(7, 7)
    exact = model(images, mask)[-1]
    with torch.autocast('cpu', torch.bfloat16):
        rough = model(images, mask)[-1]
    assert (rough.float() - exact).abs().mean() < 0.1
    rough.float().sum().backward()


@pytest.mark.parametrize('num_masks', [1, 2])
@pytest.mark.parametrize('grouping', ['tiles', 'fixed', 'greedy', 'pad'])
def test_how_windows_are_grouped_changes_no_result(grouping, num_masks):
    images, mask = torch.randn(2, 3, 224, 224), random_mask(7, 7, 0.75, num_masks)
    results = []
    for name in ('optimal', grouping):
        torch.manual_seed(1)
        model = small_swin(grouping=name)
        out = model(images, mask)[-1]
        out.square().sum().backward()
        results.append((out, model.stages[0].blocks[1].attn.w_msa.qkv.weight.grad))
    for optimal, other in zip(*results, strict=True):
        torch.testing.assert_close(other, optimal, atol=1e-4, rtol=1e-4)


def test_unknown_groupings_are_refused():
    with pytest.raises(UserError, match="grouping 'best' is unknown: choose from"):
        small_swin(grouping='best')


@pytest.mark.parametrize(
    'settings',
    [
        dict(drop_rate=0.5),
        dict(stage_cfgs=dict(block_cfgs=dict(attn_cfgs=dict(attn_drop=0.5)))),
        dict(stage_cfgs=dict(block_cfgs=dict(ffn_cfgs=dict(ffn_drop=0.5)))),
    ],
)
def test_dropout_works_on_the_sparse_path(settings):
    model = small_swin(**settings)
    images, mask = torch.randn(2, 3, 224, 224), random_mask(7, 7)
    assert torch.equal(model(images, mask)[-1], model(images, mask)[-1])
    model.train()
    assert not torch.allclose(model(images, mask)[-1], model(images, mask)[-1])
    model(images, mask)[-1].sum().backward()


@pytest.mark.parametrize(
    ('settings', 'size', 'mask', 'words'),
    [
        ({}, (230, 224), (1, 7, 7), '230x224 pixels .* is not divisible by the stride of 32'),
        ({}, (224, 224), (1, 6, 7), r'the mask is of shape \(1, 6, 7\)'),
        ({}, (224, 224), (3, 7, 7), '3 masks do not match a batch of 2'),
        (dict(window_size=14), (224, 224), (1, 7, 7), 'window_size 14 of stage 4 is larger'),
        (dict(window_size=7), (192, 192), (1, 6, 6), 'window_size 7 of stage 4 is larger'),
        (
            dict(stage_cfgs=dict(downsample_cfg=dict(kernel_size=3))),
            (224, 224),
            (1, 7, 7),
            'only where patches do not overlap',
        ),
    ],
)
def test_geometry_that_does_not_fit_is_explained(settings, size, mask, words):
    model = small_swin(**settings)
    mask = torch.zeros(mask, dtype=torch.bool)
    mask[:, 0] = True
    with pytest.raises(UserError, match=words):
        model(torch.randn(2, 3, *size), mask)


def test_a_mask_that_hides_everything_is_refused():
    with pytest.raises(UserError, match='at least one'):
        small_swin()(torch.randn(1, 3, 224, 224), torch.ones(1, 7, 7, dtype=torch.bool))


def test_what_is_computed_again_in_the_backward_pass_changes_no_result(monkeypatch):
    images, mask = torch.randn(2, 3, 224, 224), random_mask(7, 7)
    results = []
    for keep in (False, True):
        torch.manual_seed(1)
        model = small_swin()
        if keep:
            plain = lambda before, x, linear: linear(before(x))  # noqa: E731
            monkeypatch.setattr('mmgreen.models.backbones.green_swin.linear_after', plain)
            monkeypatch.setattr('mmgreen.models.layers.mlp.linear_after', plain)
        out = model(images, mask)[-1]
        out.square().sum().backward()
        results.append((out, *(p.grad for p in model.parameters() if p.grad is not None)))
    for ours, plain in zip(*results, strict=True):
        torch.testing.assert_close(ours, plain)
