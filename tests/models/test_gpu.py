"""What only a GPU shows; make gpu-check runs it, and docs/gpu.md says what to expect."""

import pytest
import torch
from helpers import greenmim_config
from mean_teachers import batch, teacher_of
from mmengine.optim import build_optim_wrapper

from mmgreen.models.teachers import Teacher
from mmgreen.registry import MODELS

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU'),
]


@pytest.fixture
def images():
    return torch.randn(4, 3, 224, 224, device='cuda')


@pytest.mark.parametrize('sharing', ['batch', 'sample'])
def test_no_synchronisation_in_a_step(sharing, images):
    model = MODELS.build(greenmim_config(mask_sharing=sharing)).cuda()
    model.loss(images)['loss'].backward()
    torch.cuda.set_sync_debug_mode('error')
    try:
        for _ in range(3):
            model.loss(images)['loss'].backward()
    finally:
        torch.cuda.set_sync_debug_mode('default')


@pytest.mark.parametrize('dtype', ['float16', 'bfloat16'])
def test_mixed_precision_trains_as_float32_does(dtype, images):
    torch.manual_seed(0)
    mixed = MODELS.build(greenmim_config()).cuda().train()
    exact = MODELS.build(greenmim_config()).cuda().train()
    exact.load_state_dict(mixed.state_dict())
    optimizer = dict(type='AdamW', lr=1e-3, fused=True)
    wrappers = [
        build_optim_wrapper(mixed, dict(type='AmpOptimWrapper', dtype=dtype, optimizer=optimizer)),
        build_optim_wrapper(exact, dict(type='OptimWrapper', optimizer=optimizer)),
    ]
    losses = []
    for model, wrapper in zip((mixed, exact), wrappers, strict=True):
        losses.append([])
        for _ in range(10):
            with wrapper.optim_context(model):
                loss = model.loss(images)['loss']
            wrapper.update_params(loss)
            losses[-1].append(loss.item())
    assert losses[1][-1] < losses[1][0]
    assert losses[0] == pytest.approx(losses[1], rel=0.05)


def test_a_teacher_says_the_same_in_half_precision(images):
    pytest.importorskip('timm')
    torch.manual_seed(0)
    teacher = Teacher('test_efficientnet', '')
    on_cpu = teacher.features(images.cpu())
    found = teacher.features(images)
    assert found.is_cuda
    assert torch.nn.functional.cosine_similarity(found.cpu(), on_cpu, dim=1).min() > 0.98


@pytest.mark.parametrize('dtype', ['float16', 'bfloat16'])
def test_a_student_learns_from_both_kinds_of_images_in_half_precision(dtype):
    model = teacher_of(score_thr=0.0, sure=5.0, doubtful=10.0).cuda().train()
    optimizer = dict(type='AdamW', lr=1e-3)
    wrapper = build_optim_wrapper(
        model, dict(type='AmpOptimWrapper', dtype=dtype, optimizer=optimizer)
    )
    losses = []
    for _ in range(5):
        inputs, samples = batch()
        samples = {name: [each.cuda() for each in some] for name, some in samples.items()}
        with wrapper.optim_context(model):
            found = model.loss({name: each.cuda() for name, each in inputs.items()}, samples)
        loss, _ = model.parse_losses(found)
        wrapper.update_params(loss)
        losses.append(loss.item())
    assert found['unsup_kept'] > 0
    assert losses[-1] < losses[0]
