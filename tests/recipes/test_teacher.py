"""A pre-training that a teacher teaches, as make-config writes it."""

from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from PIL import Image

from mmgreen.apis import finetune, pretrain
from mmgreen.config import load_config
from mmgreen.errors import UserError
from mmgreen.recipes import make_configs, this_machine

CPU = this_machine(None)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Photographs of noise, and the weights of a small teacher."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'mine').mkdir()
    for i in range(40):
        pixels = np.random.default_rng(i).integers(0, 255, (12, 12, 3), np.uint8)
        Image.fromarray(pixels).resize((96, 80)).save(tmp_path / f'mine/{i}.jpg')
    torch.save(timm.create_model('test_efficientnet').state_dict(), 'teacher.pth')
    return tmp_path / 'mine'


def test_it_trains_computes_features_once_and_saves_no_teacher(folder):
    made = make_configs(
        folder,
        folder.parent / 'configs',
        CPU,
        teacher='test_efficientnet',
        teacher_weights='teacher.pth',
    )
    assert [path.name for path in made.configs] == ['pretrain.py']
    cut = dict(type='mmgreen.LoadRandomCrop', scale=64)
    options = {
        'model.head.teacher.keep': dict(folder='kept', side=96),
        'train_dataloader.dataset.pipeline': [
            cut,
            dict(type='PackInputs', meta_keys=('img_path', 'crop')),
        ],
        'train_cfg.max_iters': 3,
        'train_dataloader.batch_size': 4,
        'train_dataloader.num_workers': 0,
        'custom_hooks': [],
        'default_hooks.checkpoint.interval': 3,
        'default_hooks.logger.interval': 1,
    }
    checkpoint = pretrain(made.configs[0], work_dir='run', cfg_options=options)
    state = torch.load(checkpoint)['state_dict']
    assert not [name for name in state if 'head' in name]
    (shard,) = (folder.parent / 'kept').glob('*/*.npy')
    cfg = load_config(made.configs[0])
    listed = cfg.train_dataloader.dataset.ann_file  # those that are not held out
    with open(listed, encoding='utf-8') as file:
        images = len(file.read().splitlines())
    assert np.load(shard).shape == (images, 48, 6, 6)
    log = next(folder.parent.glob('run/*/*.log')).read_text()
    assert 'Teacher test_efficientnet: 0.1 million parameters' in log
    assert f'features of {images} images are computed once' in log


def test_without_keeping_it_trains_as_well(folder):
    make_configs(
        folder,
        folder.parent / 'configs',
        CPU,
        teacher='test_efficientnet',
        teacher_weights='teacher.pth',
    )
    options = {
        'train_cfg.max_iters': 2,
        'train_dataloader.batch_size': 4,
        'train_dataloader.num_workers': 0,
        'custom_hooks': [],
    }
    assert pretrain(folder.parent / 'configs/pretrain.py', 'run', options).is_file()


def test_a_teacher_that_is_not_there_is_one_sentence_before_anything_is_written(folder):
    out = folder.parent / 'configs'
    for settings, words in (
        (dict(teacher='no_such_net'), "teacher 'no_such_net' is no net of timm"),
        (
            dict(teacher='test_vit', teacher_weights='gone.pth'),
            'checkpoint gone.pth does not exist',
        ),
        (dict(teacher=str(folder)), r'is a folder without config\.json'),
    ):
        with pytest.raises(UserError, match=words):
            make_configs(folder, out, CPU, **settings)
    assert not out.exists()


def test_a_teacher_of_detectors_alone_is_refused(worlds_of_boxes):
    with pytest.raises(UserError, match='teaches a pre-training, and .* is none: add greenmim'):
        make_configs(
            worlds_of_boxes,
            worlds_of_boxes / 'out',
            CPU,
            ['faster-rcnn_swin-nano'],
            teacher='test_vit',
        )
    made = make_configs(worlds_of_boxes, worlds_of_boxes / 'out', CPU, teacher='test_vit')
    assert [path.name for path in made.configs] == ['pretrain.py', 'detector.py']
    assert 'checkpoint=' not in made.configs[0].read_text()  # timm downloads the weights


@pytest.mark.parametrize('kind', ['mask-rcnn', 'faster-rcnn'])
def test_a_detector_has_the_teacher_itself_as_its_backbone(kind, worlds_of_boxes, monkeypatch):
    monkeypatch.chdir(worlds_of_boxes)
    torch.manual_seed(0)
    net = timm.create_model('tf_efficientnet_lite0')
    torch.save(net.state_dict(), 'lite0.pth')
    models = [f'{kind}_efficientnet-lite0']
    (config,) = make_configs(worlds_of_boxes, Path('out'), CPU, models, start='lite0.pth').configs
    options = {'train_cfg.max_iters': 1, 'train_dataloader.num_workers': 0, 'val_dataloader': None}
    options |= {'val_cfg': None, 'val_evaluator': None, 'custom_hooks': []}
    options |= {'default_hooks.checkpoint.save_best': None, 'train_dataloader.batch_size': 2}
    checkpoint = finetune(config, work_dir='run', cfg_options=options)
    state = torch.load(checkpoint)['state_dict']
    stem = state['backbone.net.conv_stem.weight']
    torch.testing.assert_close(stem, net.conv_stem.weight.data, atol=1e-4, rtol=0)  # a step later
    assert ('roi_head.mask_head.conv_logits.weight' in state) == (kind == 'mask-rcnn')


@pytest.fixture
def worlds_of_boxes(tmp_path):
    from worlds import World, write

    images = {f'{i}.png': [(0, (2, 2, 9, 9))] for i in range(10)}
    write('COCO', World(images, ['bear']), tmp_path / 'data')
    return tmp_path / 'data'
