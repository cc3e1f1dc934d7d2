"""Paddings of timm's nets, which are computed from an image's size, as constants."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from mmgreen.deploy.paddings import make_paddings_constant

pytest.importorskip('timm')
Conv2dSame = pytest.importorskip('timm.layers').Conv2dSame


@settings(max_examples=60, deadline=None)
@given(
    kernel=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    dilation=st.integers(1, 2),
    tiles=st.tuples(st.integers(1, 4), st.integers(1, 4)),
)
def test_a_constant_pads_as_the_size_does(kernel, stride, dilation, tiles):
    layer = nn.Sequential(Conv2dSame(2, 3, kernel, stride, dilation=dilation))
    x = torch.randn(1, 2, *(s * t for s, t in zip(stride, tiles, strict=True)))
    wanted = layer(x)
    make_paddings_constant(layer)
    assert not any(isinstance(m, Conv2dSame) for m in layer.modules())
    torch.testing.assert_close(layer(x), wanted)


def test_a_net_is_traced_for_all_sizes():
    """EfficientNet-Lite0, the one that is advised: with timm's own paddings this takes hours."""
    import timm

    net = timm.create_model('tf_efficientnet_lite0', features_only=True).eval()
    constant = copy.deepcopy(net)
    make_paddings_constant(constant)
    rows, columns = (torch.export.Dim(name, min=2, max=64) for name in ('rows', 'columns'))
    program = torch.export.export(
        constant,
        (torch.zeros(1, 3, 96, 128),),
        dynamic_shapes=({2: 32 * rows, 3: 32 * columns},),
        strict=False,
    ).module()
    x = torch.randn(1, 3, 160, 64)
    with torch.no_grad():
        for found, wanted in zip(program(x), net(x), strict=True):
            torch.testing.assert_close(found, wanted)
