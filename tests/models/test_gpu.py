"""What only a GPU shows; make gpu-check runs it, and docs/gpu.md says what to expect."""

import statistics
import warnings

import pytest
import torch
from detector_steps import batch_of, mask_rcnn
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
    model = MODELS.build(greenmim_config(mask_sharing=sharing, cuda_graph=False)).cuda()
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


@pytest.mark.parametrize('sharing', ['batch', 'sample'])
def test_a_step_that_is_a_graph_is_the_step(sharing, images):
    """Of the same masks: losses and gradients of ten steps in fp16, with a loss scale and branches that are dropped."""

    def train(graph):
        torch.manual_seed(0)
        config = greenmim_config(mask_sharing=sharing, cuda_graph=True)
        config['backbone']['drop_path_rate'] = 0.1
        model = MODELS.build(config).cuda().train()
        if not graph:
            model._graph = model.compute
        optimizer = dict(type='AdamW', lr=1e-3, fused=True)
        settings = dict(type='AmpOptimWrapper', dtype='float16', loss_scale='dynamic')
        wrapper = build_optim_wrapper(model, dict(settings, optimizer=optimizer))
        for _ in range(10):
            with wrapper.optim_context(model):
                loss = model.loss(images)['loss']
            wrapper.update_params(loss)
            yield loss.item()

    found, expected = list(train(True)), list(train(False))
    assert found == pytest.approx(expected, rel=1e-3)
    assert found[-1] < found[0]


def test_captured_steps_go_on_without_synchronisation(images):
    model = MODELS.build(greenmim_config(cuda_graph=True)).cuda().train()
    model.loss(images)['loss'].backward()
    torch.cuda.set_sync_debug_mode('error')
    try:
        for _ in range(3):
            model.loss(images)['loss'].backward()
    finally:
        torch.cuda.set_sync_debug_mode('default')
    assert model._graph._step._runs == 4


def test_a_step_of_mask_rcnn_waits_less():
    """With this project's assigner and sampler, and with mmdet's, in turns."""
    marks, waits = {}, {}
    for ours in (True, False, True):
        model = mask_rcnn(ours).cuda()
        data = batch_of(model, objects=12)
        times = []
        for _ in range(12):
            begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            begin.record()
            model.parse_losses(model.loss(data['inputs'], data['data_samples']))[0].backward()
            end.record()
            end.synchronize()
            times.append(begin.elapsed_time(end))
        marks[ours] = statistics.median(times[2:])
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter('always')
            torch.cuda.set_sync_debug_mode('warn')
            model.parse_losses(model.loss(data['inputs'], data['data_samples']))[0].backward()
            torch.cuda.set_sync_debug_mode('default')
        waits[ours] = sum('synchronizing' in str(each.message) for each in warned)
    print(
        f'MEASURED {marks[False]:.0f} and {marks[True]:.0f} ms, {waits[False]} and {waits[True]} waits'
    )
    assert waits[True] < waits[False]


def test_a_teacher_says_the_same_in_half_precision(images):
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
