"""Annotation files are understood, and what is wrong with them is said."""

import json

import pytest
from pycocotools import mask as coco_mask

from mmgreen.datasets.annotations import read_annotations
from mmgreen.errors import UserError


def annotation(number, box, **kwargs):
    x, y, w, h = box
    polygon = [x, y, x + w, y, x + w, y + h, x, y + h]
    return dict(
        dict(id=number, image_id=1, category_id=3, bbox=box, area=w * h, iscrowd=0),
        **{'segmentation': [polygon], **kwargs},
    )


def content(*annotations):
    return dict(
        images=[dict(id=1, file_name='a.jpg', width=40, height=30)],
        annotations=list(annotations),
        categories=[dict(id=3, name='cat'), dict(id=1, name='dog')],
    )


@pytest.fixture
def write(tmp_path):
    def inner(value):
        path = tmp_path / 'ann.json'
        path.write_text(value if isinstance(value, str) else json.dumps(value))
        return str(path)

    return inner


def test_kinds_are_counted(write):
    rle = coco_mask.frPyObjects([[1, 1, 9, 1, 9, 9]], 30, 40)[0]
    rle['counts'] = rle['counts'].decode()
    found = read_annotations(
        write(
            content(
                annotation(1, [0, 0, 5, 5]),
                annotation(2, [1, 1, 8, 8], segmentation=rle),
                annotation(3, [2, 2, 5, 5], segmentation=dict(size=[30, 40], counts=[100, 1100]),
                           iscrowd=1),
                annotation(4, [2, 2, 5, 5], segmentation=[]),
            )
        )
    )  # fmt: skip
    assert found.categories == ('cat', 'dog')
    assert found.count == 4
    assert found.kinds == {'polygons': 1, 'RLE': 2, 'crowd': 1, 'no mask': 1}
    assert found.dropped() == ''


def test_boxes_that_cannot_be_learnt_from_are_counted_as_mmdet_drops_them(write):
    boxes = {
        1: [0, 0, 0, 5],  # no width
        2: [0, 0, 5, 0.5],  # less than a pixel high
        3: [40, 0, 5, 5],  # right of the image
        4: [-9, 0, 5, 5],  # left of it
        5: [0, 31, 5, 5],  # below
        6: [-3, -3, 9, 9],  # over the edge, but inside in part
        7: [3, 3, 9, 9],
    }
    bad = annotation(8, [3, 3, 9, 9], area=0)
    path = write(content(*(annotation(i, box) for i, box in boxes.items()), bad))
    found = read_annotations(path)
    assert found.empty == [1, 2, 8]
    assert found.outside == [3, 4, 5]
    assert found.dropped() == ('3 without area (ids 1, 2, 8) and 3 outside the image (ids 3, 4, 5)')

    from mmengine.registry import DATASETS, DefaultScope

    with DefaultScope.overwrite_default_scope('mmdet'):
        dataset = DATASETS.build(
            dict(type='mmgreen.CocoDataset', ann_file=path, data_prefix=dict(img=''), pipeline=[])
        )
    assert len(dataset.get_data_info(0)['instances']) == 8 - 6


def test_images_that_are_not_there_are_found(write, tmp_path):
    value = content()
    value['images'] = [
        dict(id=i, file_name=name, width=4, height=4)
        for i, name in enumerate(['here.jpg', 'deep/here.jpg', 'gone.jpg', 'nowhere/gone.jpg'])
    ]
    (tmp_path / 'images/deep').mkdir(parents=True)
    for name in ('here.jpg', 'deep/here.jpg', 'other.jpg'):
        (tmp_path / 'images' / name).touch()
    found = read_annotations(write(value))
    assert found.missing_images(str(tmp_path / 'images')) == ['gone.jpg', 'nowhere/gone.jpg']


def edited(change):
    value = content(annotation(1, [0, 0, 5, 5]))
    change(value)
    return value


@pytest.mark.parametrize(
    ('value', 'words'),
    [
        ('{"images": [], "annotations": [', 'is not JSON'),
        ('[]', 'is not in COCO format'),
        ('{"images": [], "annotations": []}', 'is not in COCO format: it must hold lists'),
        ('{"images": {}, "annotations": [], "categories": []}', 'it must hold lists'),
        (edited(lambda c: c['categories'].clear()), 'names no categories'),
        (edited(lambda c: c['annotations'][0].pop('bbox')), "entry 0 of annotations lacks 'bbox'"),
        (edited(lambda c: c['annotations'][0].pop('area')), "entry 0 of annotations lacks 'area'"),
        (edited(lambda c: c['images'][0].pop('width')), "entry 0 of images lacks 'width'"),
        (edited(lambda c: c['images'][0].update(width=0)), 'image 1 .* a width of 0 and a height'),
        (edited(lambda c: c['images'][0].update(height='30')), "a height of '30', which must be"),
        (edited(lambda c: c['images'].append('a.jpg')), "entry 1 of images lacks 'id'"),
        (edited(lambda c: c['images'].append(c['images'][0])), 'has id 1 twice in images'),
        (edited(lambda c: c['images'][0].update(id=['a'])), 'neither a whole number nor a text'),
        (edited(lambda c: c['images'][0].update(id=1.5)), 'entry 0 of images has the id 1.5'),
        (edited(lambda c: c['annotations'][0].update(image_id=[1])), r'has image_id \[1\]'),
        (edited(lambda c: c['annotations'][0].update(image_id=9)), 'annotation 1 of .* image_id 9'),
        (
            edited(lambda c: c['annotations'][0].update(category_id=9)),
            'annotation 1 of .* has category_id 9, which is not in the file',
        ),
        (edited(lambda c: c['annotations'][0].update(bbox=[1, 2, 3])), 'not made of numbers'),
        (edited(lambda c: c['annotations'][0].update(bbox=[1, 2, 'a', 3])), 'not made of numbers'),
        (edited(lambda c: c['annotations'][0].update(area=None)), 'not made of numbers'),
    ],
)
def test_a_file_that_is_not_coco_is_refused(write, value, words):
    path = write(value)
    with pytest.raises(UserError, match=words) as caught:
        read_annotations(path)
    assert path in str(caught.value)
    assert '\n' not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r'none.json does not exist'):
        read_annotations(str(tmp_path / 'none.json'))


def test_images_without_annotation_are_counted_as_mmdet_leaves_them_out(write):
    value = content(annotation(1, [0, 0, 5, 5], iscrowd=1))
    value['images'] += [dict(id=i, file_name=f'{i}.jpg', width=50, height=50) for i in (7, 8)]
    path = write(value)

    from mmengine.registry import DATASETS, DefaultScope

    with DefaultScope.overwrite_default_scope('mmdet'):
        dataset = DATASETS.build(
            dict(
                type='mmgreen.CocoDataset',
                ann_file=path,
                data_prefix=dict(img=''),
                filter_cfg=dict(filter_empty_gt=True),
                pipeline=[],
            )
        )
    assert read_annotations(path).bare == [7, 8]
    assert len(dataset) == len(value['images']) - 2


@pytest.mark.parametrize(
    ('classes', 'chosen'),
    [
        (None, ('cat', 'dog')),
        (('dog', 'cat'), ('dog', 'cat')),
        (['dog'], ('dog',)),
        ('dog', ('dog',)),  # one name, not three letters
    ],
)
def test_categories_are_chosen_by_name(write, classes, chosen):
    assert read_annotations(write(content())).choose(classes) == chosen


@pytest.mark.parametrize(
    ('classes', 'words'),
    [
        (('cat', 'emu'), "has 'emu', but the categories of .* are 'cat', 'dog'"),
        ([('cat', 'dog')], 'a name or a list of names, not'),
        (('catdog',), "has 'catdog', but"),  # a forgotten comma
        (('cat', 'cat'), 'has a name twice'),
        (5, 'a name or a list of names, not 5'),
    ],
)
def test_names_that_are_not_there_are_refused(write, classes, words):
    with pytest.raises(UserError, match=f'metainfo.classes .*{words}'):
        read_annotations(write(content())).choose(classes)
