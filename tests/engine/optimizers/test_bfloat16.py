"""Mixed precision on a CPU: the same training, and only where it is faster."""

import pytest
import torch
from detector_steps import batch_of, mask_rcnn
from helpers import greenmim_config
from mmengine.optim import build_optim_wrapper

from mmgreen.engine.optimizers import BFloat16OptimWrapper, computes_in_bfloat16
from mmgreen.registry import MODELS

KINDS = 'mmgreen.BFloat16OptimWrapper', 'OptimWrapper'


@pytest.mark.parametrize(
    ('said', 'expected'),
    [
        ('flags\t\t: fpu avx512f avx512_bf16 avx512_vnni', True),
        ('flags\t\t: fpu amx_bf16 amx_tile', True),
        ('flags\t\t: fpu avx2 avx512f', False),
        ('', False),
    ],
)
def test_the_cpu_says_whether_it_has_instructions(tmp_path, said, expected):
    (tmp_path / 'cpuinfo').write_text(f'processor\t: 0\nmodel name\t: a CPU\n{said}\n')
    assert computes_in_bfloat16(tmp_path / 'cpuinfo') == expected
    assert not computes_in_bfloat16(tmp_path / 'absent')


def wrapped(model, kind):
    return build_optim_wrapper(model, dict(type=kind, optimizer=dict(type='AdamW', lr=1e-3)))


def test_pre_training_learns_as_in_float32():
    torch.manual_seed(0)
    images, losses = torch.randn(2, 3, 224, 224), []
    for kind in KINDS:
        torch.manual_seed(0)
        model = MODELS.build(greenmim_config()).train()
        wrapper = wrapped(model, kind)
        losses.append([])
        for _ in range(10):
            with wrapper.optim_context(model):
                half = torch.nn.functional.linear(*torch.ones(2, 1, 1)).dtype == torch.bfloat16
                loss = model.loss(images)['loss']
            assert half == isinstance(wrapper, BFloat16OptimWrapper)
            wrapper.update_params(loss)
            losses[-1].append(loss.item())
        assert all(p.dtype == torch.float32 for p in model.parameters())
    half, exact = losses
    assert exact[-1] < exact[0]
    assert half != exact
    assert half == pytest.approx(exact, rel=0.02)


def test_a_detector_has_the_losses_of_float32():
    """Of the first step: proposals that hardly differ are drawn otherwise after it."""
    losses = []
    for kind in KINDS:
        model = mask_rcnn(ours=True)
        data = batch_of(model, 5)
        torch.manual_seed(0)
        with wrapped(model, kind).optim_context(model):
            found = model.loss(data['inputs'], data['data_samples'])
            parts = model.parse_losses(found)[1]
        losses.append({name: float(loss) for name, loss in parts.items()})
    for name, exact in losses[1].items():
        assert losses[0][name] == pytest.approx(exact, rel=0.1), name
