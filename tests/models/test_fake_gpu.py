"""Steps as they would run on a GPU: types, devices, waits; without one."""

import sys
from collections import Counter
from functools import lru_cache

import pytest
import torch
from fake_gpu import autocast, both_ways, fake_gpu, layouts_by_the_host, to_gpu
from helpers import ROOT, greenmim_config, weights_as_they_come
from mmpretrain.structures import DataSample

import mmgreen.models  # noqa: F401
from mmgreen.config import load_config
from mmgreen.engine import build_model
from mmgreen.registry import MODELS
from mmgreen.sparse import operators

TYPES = {'fp32': None, 'fp16': torch.float16, 'bf16': torch.bfloat16}
_LINEAR_AFTER = sys.modules['mmgreen.models.layers.linear_after']  # a function has its name
FUNCTIONS = [
    _LINEAR_AFTER._LinearAfterGelu,
    _LINEAR_AFTER._LinearAfterNorm,
    operators.gather.function,
    operators.look_up.function,
    operators.fill.function,
]


@pytest.fixture
def seen(monkeypatch):
    """How often each custom function went forward and back."""
    seen = Counter()
    for function in FUNCTIONS:
        monkeypatch.setattr(function, 'apply', both_ways(function, seen))
    return seen


@pytest.mark.parametrize('sharing', ['batch', 'sample'])
@pytest.mark.parametrize('kind', TYPES)
def test_a_step_mixes_no_types_and_no_devices_and_waits_for_nothing(seen, kind, sharing):
    model = MODELS.build(greenmim_config(mask_sharing=sharing)).train()
    layouts_by_the_host(model)
    with fake_gpu(), autocast(TYPES[kind]):
        to_gpu(model)
        loss = model.loss(torch.empty(2, 3, 224, 224, device='cuda'))['loss']
    assert loss.dtype == torch.float32
    assert {name for name, _ in seen} == {function.__name__ for function in FUNCTIONS}
    if kind != 'fp32':  # from the second stage on, norms have inputs of half precision
        assert seen['_LinearAfterNorm', TYPES[kind]] > 0


GREENMIM = [
    path
    for path in sorted((ROOT / 'configs/greenmim').glob('*.py'))
    if '100e' in path.name or 'w14_8xb256' in path.name
]
DETECTORS = [p for p in sorted((ROOT / 'configs').glob('*mask_rcnn/*.py')) if 'lsj' not in p.name]


def test_the_preprocessor_waits_for_nothing():
    cfg = load_config(str(GREENMIM[0]))
    cfg.data_root = str(ROOT)
    settings = dict(cfg.data_preprocessor, type='mmgreen.SelfSupDataPreprocessor')
    preprocessor = MODELS.build(dict(settings, non_blocking=True))
    theirs = MODELS.build(dict(settings, type='mmpretrain.SelfSupDataPreprocessor'))
    images = torch.randint(0, 256, (2, 3, 8, 8), dtype=torch.uint8)
    data = dict(inputs=images, data_samples=[DataSample(), DataSample()])
    assert torch.equal(preprocessor(data)['inputs'], theirs(data)['inputs'])
    with fake_gpu():
        to_gpu(preprocessor)
        preprocessor._device = torch.device('cuda')
        inputs = torch.empty(2, 3, 8, 8, dtype=torch.uint8)
        out = preprocessor(dict(data, inputs=inputs))
    assert out['inputs'].device.type == 'cuda'
    assert out['data_samples'] == data['data_samples']


@lru_cache(maxsize=1)  # of all types one after the other
def model_of(path):
    """The model of a config, and its image size."""
    cfg = load_config(str(path))
    cfg.model.backbone.pop('init_cfg', None)
    with weights_as_they_come():
        model = build_model(cfg).train()
    if hasattr(model, 'build_layout'):
        layouts_by_the_host(model)
    return model, cfg.model.backbone.get('img_size', 224)


@pytest.mark.parametrize('kind', TYPES)
@pytest.mark.parametrize('path', GREENMIM, ids=lambda path: path.stem)
def test_every_recipe_for_pre_training(seen, path, kind):
    model, size = model_of(path)
    with fake_gpu(), autocast(TYPES[kind]):
        to_gpu(model)
        assert model.loss(torch.empty(2, 3, size, size, device='cuda'))['loss'].shape == ()


@pytest.mark.parametrize('kind', TYPES)
@pytest.mark.parametrize('path', DETECTORS[::2], ids=lambda path: path.stem)
def test_detectors_up_to_the_proposals(path, kind):
    """What comes after looks at values: which boxes overlap which."""
    model, _ = model_of(path)
    with fake_gpu(), autocast(TYPES[kind]):
        to_gpu(model)
        features = model.extract_feat(torch.empty(2, 3, 256, 320, device='cuda'))
        scores, boxes = model.rpn_head(features)
    assert len(scores) == len(boxes) == len(features) == 5
