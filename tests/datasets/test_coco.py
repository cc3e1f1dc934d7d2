"""COCO-format data with categories of its own."""

import json

import pytest
from mmengine.registry import DATASETS, DefaultScope

from mmgreen.datasets.coco import read_categories
from mmgreen.errors import UserError


def build(**kwargs):
    with DefaultScope.overwrite_default_scope('mmdet'):
        return DATASETS.build(dict(type='mmgreen.CocoDataset', pipeline=[], **kwargs))


def test_classes_are_those_of_the_file(demo):
    dataset = build(
        data_root=str(demo), ann_file='annotations/train.json', data_prefix=dict(img='train')
    )
    assert dataset.metainfo['classes'] == ('tomato', 'lemon', 'leaf', 'plum', 'carrot')
    content = json.loads((demo / 'annotations/train.json').read_text())
    wanted = [a['category_id'] - 1 for a in content['annotations'] if not a['iscrowd']]
    found = [
        instance['bbox_label']
        for i in range(len(dataset))
        for instance in dataset.get_data_info(i)['instances']
        if not instance['ignore_flag']
    ]
    assert sorted(found) == sorted(wanted)


def test_a_part_of_the_categories_can_be_chosen(demo):
    dataset = build(
        data_root=str(demo),
        ann_file='annotations/train.json',
        data_prefix=dict(img='train'),
        metainfo=dict(classes=('plum',)),
    )
    labels = {
        instance['bbox_label']
        for i in range(len(dataset))
        for instance in dataset.get_data_info(i)['instances']
    }
    assert labels == {0}


def test_real_coco(coco_tiny):
    dataset = build(
        data_root=str(coco_tiny),
        ann_file='annotations/instances_val2017.json',
        data_prefix=dict(img='val2017'),
    )
    assert len(dataset.metainfo['classes']) == 80
    assert len(dataset) == 80


@pytest.mark.parametrize(
    ('content', 'words'),
    [
        ('{"images": [], "annotations": [', 'is not in COCO format'),
        ('[]', 'is not in COCO format'),
        ('{"images": [], "annotations": []}', "is not in COCO format .* 'categories'"),
        ('{"images": [], "annotations": [], "categories": []}', 'names no categories'),
    ],
)
def test_a_file_that_is_not_coco_is_refused(tmp_path, content, words):
    (tmp_path / 'bad.json').write_text(content)
    with pytest.raises(UserError, match=words):
        read_categories(str(tmp_path / 'bad.json'))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r'none.json does not exist'):
        read_categories(str(tmp_path / 'none.json'))
