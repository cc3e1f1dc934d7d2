"""Names of other projects and back, judged by timm's own conversion and mmpretrain."""

import pytest
import torch
from helpers import (
    TINY,
    TWINS,
    WINDOW_14,
    randomise,
    small_greenmim,
    small_swin,
    small_twins,
    timm_swin,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from mmpretrain.models import SwinTransformer
from timm.models.swin_transformer import checkpoint_filter_fn

from mmgreen.checkpoints import SwinArchitecture, architecture_of
from mmgreen.checkpoints.converting import (
    KINDS,
    convert,
    relative_position_index,
    revert,
    unwrap,
    window_side,
)
from mmgreen.errors import UserError
from mmgreen.registry import MODELS


def ours(model) -> dict:
    """Weights of a backbone as convert gives them."""
    return {f'backbone.{key}': value for key, value in model.state_dict().items()}


def classifier() -> dict:
    model = small_swin()
    return ours(model) | {'head.fc.weight': torch.randn(5, 128), 'head.fc.bias': torch.randn(5)}


def simmim() -> dict:
    state = ours(small_swin(window_size=6, img_size=192))
    state['backbone.mask_token'] = torch.randn(1, 1, 16)
    return state | {'neck.decoder.0.weight': torch.randn(3072, 128, 1, 1)}


SOURCES = {
    'GreenMIM': lambda: dict(small_greenmim().state_dict()),
    'SimMIM': simmim,
    'Swin': classifier,
    'Twins': lambda: (
        ours(small_twins()) | {'head.fc.weight': torch.randn(5, 64), 'head.fc.bias': torch.randn(5)}
    ),
    'Swin detector': lambda: ours(small_swin(out_indices=(0, 1, 2, 3))),
}


@pytest.mark.parametrize('kind', KINDS)
def test_official_names_come_back_to_the_bit(kind):
    weights = SOURCES[kind]()
    prefix = {'Swin': '', 'Twins': '', 'Swin detector': 'backbone.'}.get(kind, 'encoder.')
    official, dropped = revert(weights, 'official', prefix, kind)
    assert list(dropped) in ([], ['derived from the geometry'])
    converted = convert(official)
    assert (converted.style, converted.kind, converted.prefix) == ('official', kind, prefix)
    assert converted.dropped == {}
    assert converted.weights.keys() == weights.keys()
    for key, value in weights.items():
        assert torch.equal(converted.weights[key], value), key


@pytest.mark.parametrize(
    ('size', 'options'), [(224, dict(window_size=7)), (224, WINDOW_14), (192, dict(window_size=6))]
)
def test_outputs_of_timm_equal_ours_in_both_directions(size, options):
    source = timm_swin(img_size=size, window_size=options['window_size'])
    converted = convert(source.state_dict())
    assert (converted.style, converted.kind) == ('timm', 'Swin')
    model = small_swin(img_size=size, **options)
    model.load_state_dict({k.removeprefix('backbone.'): v for k, v in converted.weights.items()
                           if k.startswith('backbone.')})  # fmt: skip
    images = torch.randn(2, 3, size, size)
    theirs = source.forward_features(images).permute(0, 3, 1, 2)
    torch.testing.assert_close(model(images)[-1], theirs, atol=1e-4, rtol=1e-4)

    back, _ = revert(converted.weights, 'timm')
    assert back.keys() == source.state_dict().keys()
    assert all(torch.equal(back[key], value) for key, value in source.state_dict().items())


@pytest.mark.parametrize('style', ['timm', 'official'])
def test_a_classifier_within_another_module_comes_back(style):
    """As training frameworks save it, under model. or net."""
    state = {f'model.{k}': v for k, v in revert(classifier(), style)[0].items()}
    converted = convert(state)
    assert (converted.style, converted.prefix) == (style, 'model.')
    assert converted.weights['head.fc.weight'].shape == (5, 128)
    back, _ = revert(converted.weights, style, 'model.', converted.kind)
    assert back.keys() == state.keys()


def test_greenmim_of_twins_comes_back():
    """Its encoder has Twins' names, and beside it stands the decoder of GreenMIM."""
    weights = ours(small_twins()) | {
        key: value for key, value in small_greenmim().state_dict().items() if key.startswith('neck')
    }
    official, dropped = revert(weights, 'official', 'encoder.', 'GreenMIM')
    assert not dropped
    assert 'encoder.pos_block.0.proj.0.weight' in official
    converted = convert(official)
    assert (converted.kind, converted.prefix) == ('GreenMIM', 'encoder.')
    assert all(torch.equal(converted.weights[key], value) for key, value in weights.items())


@pytest.mark.parametrize('kind', TWINS)
def test_architecture_of_twins(kind):
    model = small_twins(kind)
    found = architecture_of(model.state_dict())
    assert found.config['arch'] == TWINS[kind]
    assert found.config['type'] == dict(GreenTwins='SVT', GreenPCPVT='PCPVT')[kind]


def test_official_names_are_those_that_timm_converts():
    weights = classifier()
    official, _ = revert(weights, 'official')
    by_timm = checkpoint_filter_fn({'model': official}, timm_swin())
    by_us, _ = revert(weights, 'timm')
    assert by_timm.keys() == by_us.keys()
    assert all(torch.equal(by_timm[key], value) for key, value in by_us.items())


@pytest.mark.parametrize('prefix', ['', 'backbone.'])
def test_names_of_mmpretrain_stay_as_they_are(prefix):
    model = SwinTransformer(arch=TINY, window_size=7)
    randomise(model)
    state = {prefix + key: value for key, value in model.state_dict().items()}
    converted = convert(state)
    assert (converted.style, converted.prefix) == ('mmpretrain', prefix)
    assert revert(converted.weights, 'mmpretrain', prefix)[0].keys() == state.keys()
    MODELS.build(dict(type='GreenSwinTransformer', arch=TINY)).load_state_dict(
        converted.backbone | {k: v for k, v in model.state_dict().items() if k.endswith('index')}
    )


def test_what_has_no_place_elsewhere_is_named():
    weights = SOURCES['Swin detector']() | {'rpn_head.rpn_conv.weight': torch.ones(1)}
    timm, dropped = revert(weights, 'timm')
    (names,) = (v for k, v in dropped.items() if 'have no place' in k)
    assert sorted(names) == sorted(
        [f'backbone.norm{i}.{part}' for i in range(3) for part in ('weight', 'bias')]
        + ['rpn_head.rpn_conv.weight']
    )
    assert timm.keys() == {k for k in timm_swin().state_dict() if not k.startswith('head')}


def test_a_backbone_without_its_last_norm_cannot_leave():
    weights = {k: v for k, v in classifier().items() if 'norm3' not in k}
    with pytest.raises(UserError, match="no norm after the last stage, 'norm3', which timm needs"):
        revert(weights, 'timm')


@pytest.mark.parametrize('wrap', [dict, lambda s: dict(model=s), lambda s: dict(state_dict=s)])
@pytest.mark.parametrize('prefix', ['', 'module.', '_orig_mod.', 'module._orig_mod.'])
def test_wrappers_are_taken_off(wrap, prefix):
    state = {'a.b': torch.ones(1)}
    checkpoint = wrap({prefix + key: value for key, value in state.items()})
    assert unwrap(dict(checkpoint, epoch=3)) == state


@settings(deadline=None, max_examples=30)
@given(
    depths=st.lists(st.integers(1, 3), min_size=2, max_size=4),
    width=st.sampled_from([8, 16]),
    window=st.integers(2, 9),
)
def test_any_architecture_is_read_off_and_comes_back(depths, width, window):
    heads = [2**i for i in range(len(depths))]
    arch = dict(embed_dims=width, depths=depths, num_heads=heads)
    model = SwinTransformer(
        arch=arch, window_size=window, out_indices=(len(depths) - 1,), pad_small_map=True
    )
    weights = ours(model)
    found = SwinArchitecture.of(model.state_dict())
    assert found.config['arch'] == dict(
        embed_dims=width, depths=tuple(depths), num_heads=tuple(heads)
    )
    assert set(found.windows) == {window}
    for style in ('official', 'timm'):
        back = convert(revert(weights, style)[0])
        assert back.style == style
        assert back.weights.keys() == weights.keys()
        assert all(torch.equal(back.weights[key], value) for key, value in weights.items())


@given(window=st.integers(1, 20), heads=st.integers(1, 3))
def test_the_window_is_read_off_its_table(window, heads):
    table = torch.zeros((2 * window - 1) ** 2, heads)
    assert window_side(table) == window
    index = relative_position_index(table)
    assert index.shape == (window**2, window**2)
    assert index.max() == len(table) - 1


def test_a_table_of_no_square_window_is_refused():
    with pytest.raises(UserError, match=r'shape \(100, 3\) is not that of a square window'):
        window_side(torch.zeros(100, 3))
