"""A step on tensors that stay where they are is the step, whatever the masks."""

import copy
import re
from collections import Counter
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace

import pytest
import torch
from fake_gpu import FakeGPU, autocast, both_ways, fake_gpu, to_gpu
from helpers import ROOT, finer_greenmim, weights_as_they_come
from mmengine.optim import build_optim_wrapper
from test_fake_gpu import FUNCTIONS

from mmgreen.config import load_config
from mmgreen.engine import build_model
from mmgreen.errors import UserError
from mmgreen.models.selfsup import step_graph
from mmgreen.models.selfsup.step_graph import _StaticStep

fork_rng = torch.random.fork_rng
SMALL = (2, 3, 64, 64)


def model_of(graph=True, **settings):
    """A small GreenMIM, the same each time."""
    torch.manual_seed(0)
    settings = dict(unit=32, stage_weights=(0.5,), cuda_graph=True) | settings
    model = finer_greenmim(**settings).train()
    if not graph:  # the same masks
        model._graph = model.compute
    return model


def trained(graph, kinds, steps, wrapper=None, half=False, **settings):
    """Losses of some steps, and the model, with and without tensors that stay."""
    model = model_of(graph, **settings)
    optimizer = dict(type='AdamW', lr=0.01)
    wrapper = build_optim_wrapper(
        model, dict(type='OptimWrapper', optimizer=optimizer, **(wrapper or {}))
    )
    wrapper.initialize_count_status(model, 0, steps)
    losses = []
    for step in range(steps):
        images = torch.randn(kinds[step % len(kinds)])
        with torch.autocast('cpu', torch.bfloat16) if half else nullcontext():
            found = model.loss(images)
        wrapper.update_params(found['loss'] * 64)  # a loss scale
        losses.append({name: value.item() for name, value in found.items()})
    return losses, model


def assert_equal(found, expected):
    """Losses of all steps, and parameters after them, to the bit."""
    assert found[0] == expected[0]
    for name, parameter in expected[1].named_parameters():
        assert torch.equal(found[1].get_parameter(name), parameter), name


@pytest.mark.parametrize('sharing', ['batch', 'sample'])
def test_fifty_steps_are_the_same_to_the_bit(sharing):
    """A mask for each sample, windows that reach beyond the border, and branches that are dropped, included."""
    settings = dict(mask_sharing=sharing, backbone_settings=dict(drop_path_rate=0.2))
    how = dict(kinds=[(2, 3, 160, 160)], steps=50, **settings)
    losses, model = found = trained(True, **how)
    assert model._graph._step._runs == 50
    assert len({step['loss'] for step in losses}) == 50
    assert_equal(found, trained(False, **how))


@pytest.mark.parametrize(
    'how',
    [
        dict(wrapper=dict(accumulative_counts=3)),
        dict(wrapper=dict(clip_grad=dict(max_norm=0.1))),
        dict(half=True),
        dict(kinds=[(3, 3, 64, 64), (3, 3, 64, 64), (1, 3, 64, 64)]),  # the last of an epoch
    ],
    ids=['accumulation', 'clipping', 'half precision', 'smaller batch'],
)
def test_what_is_around_a_step_works(how):
    how = dict(kinds=[SMALL], steps=7) | how
    assert_equal(trained(True, **how), trained(False, **how))


def test_frozen_and_copied_parameters_are_heeded():
    def losses(graph):
        model = model_of(graph)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for step in range(4):
            if step == 2:
                model.backbone.stages[0].requires_grad_(False)
                model.neck.double().float()  # elsewhere in memory
                optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            optimizer.zero_grad()
            loss = model.loss(torch.randn(SMALL))['loss']
            loss.backward()
            optimizer.step()
            yield loss.item()
        assert all(p.grad is None for p in model.backbone.stages[0].parameters())
        yield copy.deepcopy(model).loss(torch.randn(SMALL))['loss'].item()

    assert list(losses(True)) == list(losses(False))


def test_a_backward_pass_that_comes_too_late_is_refused():
    model = model_of()
    first = model.loss(torch.randn(SMALL))['loss']
    model.loss(torch.randn(SMALL))['loss'].backward()
    with pytest.raises(RuntimeError, match='before the next forward pass'):
        first.backward()


@pytest.mark.parametrize(
    ('settings', 'said'),
    [
        (dict(unit=16), 'mask units of 16 pixels are finer than the stride of 32'),
        (dict(with_cp=True), r'activation checkpointing \(with_cp\)'),
        (dict(grouping='pairs'), "grouping 'pairs' makes other groups of each mask"),
    ],
)
def test_what_cannot_be_a_graph_is_refused_or_said(settings, said, logged):
    settings = dict(settings)
    unit = settings.pop('unit', 32)
    with pytest.raises(UserError, match=f'no CUDA graph of the training step: {said}.*; remove'):
        finer_greenmim(unit, cuda_graph=True, backbone_settings=settings)
    model = finer_greenmim(unit, backbone_settings=settings).train()
    with fake_gpu():
        assert not model._graphed(torch.empty(SMALL, device='cuda'))
    assert re.search(f'The training step is no CUDA graph: {said}', logged.text)
    assert not model._graphed(torch.empty(SMALL))


def fewer_and_fewer(height, width, ratio, num_masks, generator):
    """A mask of one's own that hides another number of units each time."""
    mask = torch.zeros(num_masks, height * width, dtype=torch.bool)
    fewer_and_fewer.hidden = max(1, fewer_and_fewer.hidden - 1)
    mask[:, : fewer_and_fewer.hidden] = True
    return mask.view(num_masks, height, width)


@pytest.mark.parametrize(
    ('settings', 'kinds', 'said'),
    [
        ({}, [SMALL, (2, 3, 96, 64)], 'images of 64x64 and of 96x64 pixels come to it'),
        (
            dict(masking=fewer_and_fewer),
            [(2, 3, 96, 96)] * 2,
            'masks leave 1 units visible, and then 2',
        ),
    ],
)
def test_steps_of_changing_shapes_are_refused_or_end_the_graph(settings, kinds, said, logged):
    fewer_and_fewer.hidden = 9
    model = model_of(**settings)
    model.loss(torch.randn(kinds[0]))
    model.layouts.close()
    with pytest.raises(UserError, match=f'a CUDA graph is of one shape: {said}; remove cuda_graph'):
        model.loss(torch.randn(kinds[1]))

    fewer_and_fewer.hidden = 9
    model = model_of(**settings)
    model._graph._required = False  # as on a GPU by default
    for kind in kinds * 2:
        loss = model.loss(torch.randn(kind))['loss']
    loss.backward()
    assert model._graph._step is None
    assert f'The training step is not a CUDA graph any more: {said}.' in logged.text


RECIPES = [
    path
    for path in sorted((ROOT / 'configs/greenmim').glob('*.py'))
    if '-800e_' not in path.name or 'w14_8xb256' in path.name
] + [ROOT / 'configs/own_data/greenmim_swin-tiny-w7_b128-amp-10k_own-data.py']


@pytest.mark.slow
@pytest.mark.parametrize('path', RECIPES, ids=lambda path: path.stem)
def test_three_thousand_masks_have_one_set_of_shapes(path):
    cfg = load_config(str(path), {'model.cuda_graph': True})
    with weights_as_they_come():
        model = build_model(cfg).train()
    crops = [t for t in cfg.train_dataloader.dataset.pipeline if 'crop_ratio_range' in t]
    layout_of = model.layouts_for(torch.empty(8, 3, crops[0].scale, crops[0].scale))
    assert len({layout_of(step).structure() for step in range(3000)}) == 1


class Captured(FakeGPU):
    """Refuses what must not be captured: copies from the host, waited for or not, and memory that is pinned."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = super().__torch_dispatch__(func, types, args, kwargs)
        name = func._schema.name.removeprefix('aten::')
        devices = {a.device.type for a in (*args, out) if isinstance(a, torch.Tensor) and a.dim()}
        assert name != '_pin_memory'
        assert not (name in ('_to_copy', 'copy_') and len(devices) > 1), 'a copy from the host'
        return out


@pytest.mark.parametrize('dtype', [None, torch.float16])
@pytest.mark.parametrize('sharing', ['batch', 'sample'])
def test_what_is_captured_reads_and_copies_nothing(monkeypatch, sharing, dtype):
    seen = Counter()
    for function in FUNCTIONS:
        monkeypatch.setattr(function, 'apply', both_ways(function, seen))
    monkeypatch.setattr(_StaticStep, '_capture', lambda self: None)
    model = model_of(mask_sharing=sharing)
    layout = model.layouts_for(torch.empty(2, 3, 160, 160))(0)
    with fake_gpu(), autocast(dtype):
        to_gpu(model)
        images = torch.empty(2, 3, 160, 160, device='cuda')
        layout.to('cuda')
        target = model.head.target(images, layout.masked)
        parameters = list(model.parameters())
        step = _StaticStep(model.compute, parameters, images, layout, target)
        step._pass_forward()  # what is made once is made
        with Captured() as gpu:
            step._pass_forward()
    assert gpu.launches['index_select']
    assert len(seen) >= len(FUNCTIONS)


class Graph:
    """In the place of CUDA's: what runs while it is open."""

    def __init__(self):
        self.replays = 0

    def pool(self):
        return 'pool'

    def replay(self):
        self.replays += 1


def test_it_is_captured_once_and_draws_nothing_of_the_run(monkeypatch):
    """The order of things around a capture, by stand-ins for CUDA's."""
    said, opened = [], []

    @contextmanager
    def capture(graph, pool=None, capture_error_mode='global'):
        opened.append((graph, pool, capture_error_mode))
        yield

    stream = SimpleNamespace(wait_stream=lambda other: None)
    for name, stand_in in dict(
        Stream=lambda: stream,
        current_stream=lambda: stream,
        stream=lambda stream: nullcontext(),
        CUDAGraph=Graph,
        graph=capture,
    ).items():
        monkeypatch.setattr(torch.cuda, name, stand_in)
    monkeypatch.setattr(torch.random, 'fork_rng', lambda devices: fork_rng([]))
    monkeypatch.setattr(step_graph, 'print_log', lambda line, **kwargs: said.append(line))
    model = model_of(backbone_settings=dict(drop_path_rate=0.5))
    images = torch.randn(SMALL)
    layout = model.build_layout(0, images)
    target = model.head.target(images, layout.masked)
    step = _StaticStep(model.compute, list(model.parameters()), images, layout, target)
    before = torch.get_rng_state()
    step._capture()
    after = torch.get_rng_state()
    assert [(pool, mode) for _, pool, mode in opened] == [
        (None, 'thread_local'),
        ('pool', 'thread_local'),
    ]
    assert said[0].startswith('The training step is a CUDA graph, captured in ')
    # All but what is drawn while a graph is open, which CUDA keeps for its replays, is given back.
    torch.set_rng_state(before)
    model.compute(images, layout, target)
    assert torch.equal(torch.get_rng_state(), after)
    loss = step.run(images, layout, target)['loss']
    loss.backward()
    assert [graph.replays for graph, *_ in opened] == [1, 1]
    assert all(p.grad is not None for p in model.parameters())
