"""COCO-format data with categories of its own."""

import json

from mmengine.registry import DATASETS, DefaultScope


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


def test_labels_follow_the_chosen_order(demo):
    part = dict(data_root=str(demo), ann_file='annotations/train.json')
    part['data_prefix'] = dict(img='train')
    names = ('plum', 'carrot', 'leaf', 'lemon', 'tomato')
    usual, chosen = build(**part), build(**part, metainfo=dict(classes=names))
    for i in range(len(usual)):
        ours, theirs = (d.get_data_info(i)['instances'] for d in (chosen, usual))
        assert [names[a['bbox_label']] for a in ours] == [
            usual.metainfo['classes'][a['bbox_label']] for a in theirs
        ]


def test_real_coco(coco_tiny):
    dataset = build(
        data_root=str(coco_tiny),
        ann_file='annotations/instances_val2017.json',
        data_prefix=dict(img='val2017'),
    )
    assert len(dataset.metainfo['classes']) == 80
    assert len(dataset) == 80
