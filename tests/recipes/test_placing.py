"""Splits are named by a folder where it holds one split alone, and by a list elsewhere."""

import json
import shutil

import pytest
from exports import export
from worlds import picture

from mmgreen.importing import divide, read_dataset
from mmgreen.recipes.placing import place_splits
from mmgreen.recipes.traits import measure


def test_annotations_that_are_there_are_named_and_not_written(tmp_path):
    export('coco', tmp_path / 'data')
    placed = place_splits(read_dataset(tmp_path / 'data'), tmp_path / 'out', labels=True)
    assert placed['train'].ann_file.name == 'instances_train2017.json'
    assert placed['val'].images == 'val2017'
    assert not (tmp_path / 'out').exists()


@pytest.mark.parametrize('labels', [True, False])
def test_splits_that_were_divided_are_written_and_share_no_image(tmp_path, labels):
    export('labelme', tmp_path / 'data')
    dataset = read_dataset(tmp_path / 'data')
    divide(dataset)
    placed = place_splits(dataset, tmp_path / 'out', labels)
    names = {}
    for split, files in placed.items():
        text = files.ann_file.read_text()
        listed = [i['file_name'] for i in json.loads(text)['images']] if labels else text.split()
        assert sorted(listed) == sorted(image.name for image in dataset.splits[split])
        names[split] = set(listed)
    assert not names['train'] & names['val']


def test_traits_are_those_of_the_training_images(tmp_path):
    truth = export('coco', tmp_path / 'data')
    found = measure(read_dataset(tmp_path / 'data'))
    train = [name for name, split in truth.splits.items() if split == 'train']
    assert found.images == len(train)
    assert found.objects == sum(len(truth.objects[name]) for name in train)
    assert (found.long, found.short) == (64, 48)
    assert 7 < found.small <= found.middle < 24


def test_a_folder_that_holds_what_is_left_out_is_not_named(tmp_path):
    """A copy of a held-out image lies among those of training, which a folder would give back."""
    for i in range(8):
        picture(tmp_path / f'{"val" if i > 5 else "train"}/{i}.png', i)
    shutil.copy(tmp_path / 'val/7.png', tmp_path / 'train/copy.png')
    dataset = read_dataset(tmp_path)
    assert dataset.left_out == {'of train that are images of val, too': ['train/copy.png']}
    placed = place_splits(dataset, tmp_path / 'lists', labels=False)
    assert placed['val'].images == 'val'
    assert placed['train'].ann_file.read_text().split() == [f'train/{i}.png' for i in range(6)]
