"""Kernels of a step, counted on tensors without memory as autocast runs it."""

import pytest
import torch
from torch import nn

from mmgreen.benchmark.launches import Launches, _MixedPrecision, count_launches
from mmgreen.benchmark.subject import Subject, build_subject, make_batch

TINY = 'configs/greenmim/greenmim_swin-tiny-w7_8xb256-amp-coslr-100e_in1k.py'


def test_fewer_casts_than_a_step_of_usual_layers():
    model, cfg = build_subject(Subject(TINY))
    batch = model.data_preprocessor(make_batch(cfg, 2), training=True)
    found = {
        dtype: count_launches(cfg, model.to_empty(device='cpu'), batch, dtype)
        for dtype in (None, torch.float16)
    }
    plain, half = (sum(phase['kernels'] for phase in each.values()) for each in found.values())
    assert plain < 700
    assert half <= 1000  # 1,116 before linear layers saved their casts
    assert found[None]['optimizer'] == found[torch.float16]['optimizer']


def test_only_what_the_device_does_is_counted():
    with Launches('meta') as launches:
        torch.ones(3) + 1
        torch.empty(3, device='meta') + 1
    assert (launches.count, launches.bytes) == (1, 24)


@pytest.mark.parametrize('layers', [(nn.Linear(8, 8), nn.LayerNorm(8), nn.GELU(), nn.Linear(8, 4))])
def test_types_are_those_of_autocast(layers):
    """Beside PyTorch's own on a CPU, whose lists agree for these layers but for the norm."""
    net = nn.Sequential(*layers)
    with torch.autocast('cpu', torch.bfloat16):
        expected = net[:1](torch.ones(2, 8)).dtype, net(torch.ones(2, 8)).dtype
    net = net.to('meta')
    with _MixedPrecision(torch.bfloat16):
        first = net[0](torch.ones(2, 8, device='meta'))
        assert (first.dtype, net[1:](first).dtype) == expected
        assert net[1](first).dtype == torch.float32
