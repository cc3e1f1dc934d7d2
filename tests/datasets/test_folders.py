"""Folders of images as they are: nested, of any format, with classes or without."""

import json
from pathlib import Path

import numpy as np
import pytest
from mmengine.dataset import Compose
from mmengine.registry import DefaultScope
from PIL import Image

from mmgreen.datasets import LabelledDataset, UnlabelledDataset
from mmgreen.datasets.class_folders import read_class_folders
from mmgreen.errors import UserError

PIPELINE = [
    dict(type='LoadImageFromFile'),
    dict(type='RandomResizedCrop', scale=32, backend='pillow', interpolation='bicubic'),
    dict(type='PackInputs'),
]
#: Ending, Pillow's mode.
KINDS = [
    *[('.jpg', 'RGB'), ('.jpeg', 'L'), ('.JPG', 'CMYK'), ('.png', 'RGB'), ('.png', 'RGBA')],
    *[('.png', 'P'), ('.png', 'LA'), ('.png', '1'), ('.PNG', 'I;16'), ('.bmp', 'RGB')],
    *[('.tif', 'RGB'), ('.tiff', 'L'), ('.webp', 'RGB'), ('.ppm', 'RGB'), ('.pgm', 'L')],
]


@pytest.fixture(autouse=True)
def scope():
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        yield


def image(mode):
    rng = np.random.default_rng(0)
    if mode == 'I;16':
        return Image.fromarray(rng.integers(0, 65535, (40, 50), np.uint16))
    return Image.fromarray(rng.integers(0, 255, (40, 50, 3), np.uint8)).convert(mode)


@pytest.fixture
def mixed(tmp_path):
    """A file of each kind, each a folder deeper than the one before."""
    folder = tmp_path / 'images'
    for i, (ending, mode) in enumerate(KINDS):
        folder.mkdir(exist_ok=True)
        image(mode).save(folder / f'{i}{ending}')
        folder = folder / f'deeper {i}'
    (tmp_path / 'images/notes.txt').write_text('no image')
    return tmp_path / 'images'


def test_a_list_names_the_images(mixed, tmp_path):
    """As docs/journeys.md does on a cluster, where no process should walk the folders."""
    (tmp_path / 'train.txt').write_text('./0.jpg\n./deeper 0/1.jpeg\n')
    dataset = UnlabelledDataset(
        data_root=str(tmp_path), data_prefix='images', ann_file='train.txt', pipeline=PIPELINE
    )
    assert len(dataset) == 2
    assert dataset.prepare_data(1)['inputs'].shape == (3, 32, 32)


def test_every_format_below_a_folder_is_ready_for_training(mixed):
    dataset = UnlabelledDataset(data_root=str(mixed), pipeline=PIPELINE)
    assert len(dataset) == len(KINDS)
    for i in range(len(dataset)):
        sample = dataset.prepare_data(i)
        assert sample is not None, dataset.get_data_info(i)
        assert sample['inputs'].shape == (3, 32, 32)
        assert 'gt_label' not in sample['data_samples']


def test_classes_are_the_folders(tmp_path):
    for name in ('b', 'a', 'c'):
        (tmp_path / 'train' / name / 'more').mkdir(parents=True)
        image('RGB').save(tmp_path / 'train' / name / 'x.png')
        image('RGB').save(tmp_path / 'train' / name / 'more/y.webp')
    dataset = LabelledDataset(data_root=str(tmp_path), data_prefix='train', pipeline=PIPELINE)
    assert dataset.metainfo['classes'] == ('a', 'b', 'c')
    assert read_class_folders(str(tmp_path / 'train')) == ('a', 'b', 'c')
    assert sorted(dataset.get_gt_labels()) == [0, 0, 1, 1, 2, 2]


def test_a_list_of_images_serves_too(tmp_path):
    (tmp_path / 'val').mkdir()
    image('RGB').save(tmp_path / 'val/x.png')
    (tmp_path / 'val.txt').write_text('x.png 7\n')
    dataset = LabelledDataset(
        data_root=str(tmp_path), data_prefix='val', ann_file='val.txt', pipeline=PIPELINE
    )
    assert dataset.get_gt_labels().tolist() == [7]
    assert Compose(PIPELINE)(dataset.get_data_info(0))['inputs'].shape == (3, 32, 32)


def test_a_folder_without_classes_or_images_is_refused(tmp_path):
    with pytest.raises(UserError, match='there is no class folder in'):
        read_class_folders(str(tmp_path))
    (tmp_path / 'train/a').mkdir(parents=True)
    for kind in (LabelledDataset, UnlabelledDataset):
        with pytest.raises(UserError, match='there is no image below'):
            kind(data_root=str(tmp_path), data_prefix='train', pipeline=PIPELINE)


def test_hidden_folders_are_no_classes_and_links_are_followed_once(tmp_path):
    for name in ('cat', 'dog', '.ipynb_checkpoints'):
        (tmp_path / 'a' / name).mkdir(parents=True)
        Image.effect_noise((8, 8), 50).save(tmp_path / 'a' / name / 'x.png')
    (tmp_path / 'a/cat/._x.png').write_bytes(b'\0\5\x16\7')
    (tmp_path / 'a/dog/again').symlink_to(tmp_path / 'a/dog')
    dataset = LabelledDataset(data_root=str(tmp_path / 'a'), pipeline=[])
    assert dataset.metainfo['classes'] == ('cat', 'dog')
    found = [dataset.get_data_info(i) for i in range(len(dataset))]
    assert [(Path(f['img_path']).parent.name, f['gt_label']) for f in found] == [
        ('cat', 0),
        ('dog', 1),
    ]
    assert len(UnlabelledDataset(data_root=str(tmp_path), pipeline=[])) == 2


def test_what_a_detector_is_judged_by_is_left_out_by_content(mixed, tmp_path, logged):
    """A folder, and files that name images, in the folder that is looked in."""
    held = tmp_path / 'val'
    held.mkdir()
    (held / 'renamed.jpg').write_bytes((mixed / '0.jpg').read_bytes())
    (held / 'other.png').write_bytes(b'other')
    (tmp_path / 'some.txt').write_text('deeper 0/1.jpeg\n')
    images = [dict(id=1, file_name='deeper 0/deeper 1/2.JPG')]
    (tmp_path / 'some.json').write_text(json.dumps(dict(images=images)))
    files = [str(tmp_path / name) for name in ('val', 'some.txt', 'some.json')]
    kwargs = dict(data_root=str(tmp_path), data_prefix='images', pipeline=PIPELINE)

    def names(**more):
        dataset = UnlabelledDataset(**kwargs, **more)
        return {Path(dataset.get_data_info(i)['img_path']).name for i in range(len(dataset))}

    assert names() - names(exclude=files) == {'0.jpg', '1.jpeg', '2.JPG'}
    assert f'1 of {len(KINDS)} images are left out' in logged.text
    assert '0.jpg)' in logged.text
    with pytest.raises(UserError, match='exclude has .*gone, which is neither a folder'):
        names(exclude=[str(tmp_path / 'gone')])
    (tmp_path / 'elsewhere.txt').write_text('a.jpg\n')
    with pytest.raises(
        UserError, match='elsewhere.txt, whose images are not in .*images: name the'
    ):
        names(exclude=[str(tmp_path / 'elsewhere.txt')])
    with pytest.raises(UserError, match='exclude leaves no image of'):
        names(exclude=str(mixed))
