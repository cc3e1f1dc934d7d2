"""Shapes of each layout become the masks and boxes that they were drawn as, or are named."""

import json
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco_mask
from shapely.geometry import Polygon, box
from worlds import SIZE, World, picture, write

from mmgreen.errors import UserError
from mmgreen.importing import read_dataset
from mmgreen.importing.objects import clip_polygon

WIDTH, HEIGHT = SIZE


def mask_of(thing):
    mask = thing['segmentation']
    if isinstance(mask, list):
        mask = coco_mask.merge(coco_mask.frPyObjects(mask, HEIGHT, WIDTH))
    return coco_mask.decode(mask).astype(bool)


def things_of(root):
    (image, *_) = read_dataset(root).images
    return image.objects


def cvat(root, *shapes):
    """One image of CVAT with shapes, given by tag and attributes."""
    picture(root / 'images/a.png', 0)
    top = ElementTree.Element('annotations')
    image = ElementTree.SubElement(top, 'image', name='a.png', width=str(WIDTH), height=str(HEIGHT))
    for tag, attributes in shapes:
        ElementTree.SubElement(image, tag, {k: str(v) for k, v in attributes.items()})
    ElementTree.ElementTree(top).write(root / 'annotations.xml')


def drawn(*outline):
    polygon = np.array(outline, float).ravel().tolist()
    return coco_mask.decode(coco_mask.frPyObjects([polygon], HEIGHT, WIDTH))[..., 0].astype(bool)


def iou(a, b):
    return (a & b).sum() / (a | b).sum()


def test_shapes_of_cvat(tmp_path):
    runs = np.zeros((6, 5), bool)
    runs[1:4, 2:] = True
    flat = runs.ravel()
    ends = [0, *(np.flatnonzero(np.diff(flat)) + 1), flat.size]
    rle = ', '.join(map(str, np.diff(ends)))
    cvat(
        tmp_path,
        ('box', dict(label='turned', xtl=6, ytl=8, xbr=16, ybr=12, rotation=90)),
        ('polygon', dict(label='poly', points='1,1;9,1;9,7;1,7')),
        ('ellipse', dict(label='ell', cx=12, cy=10, rx=6, ry=4)),
        ('mask', dict(label='mask', left=3, top=2, width=5, height=6, rle=rle)),
        ('polygon', dict(label='parts', points='1,1;4,1;4,4;1,4', group_id=3)),
        ('polygon', dict(label='parts', points='8,8;12,8;12,12;8,12', group_id=3)),
        ('points', dict(label='poly', points='1,1')),
        ('tag', dict(label='poly')),
    )
    picture(tmp_path / 'images/other.png', 1)
    dataset = read_dataset(tmp_path)
    (image,) = dataset.images
    things = {thing['label']: thing for thing in image.objects}
    assert set(things) == {'turned', 'poly', 'ell', 'mask', 'parts'}
    np.testing.assert_allclose(things['turned']['bbox'], [9, 5, 4, 10], atol=1e-6)
    assert mask_of(things['poly']).sum() == 48
    assert mask_of(things['ell']).sum() == pytest.approx(np.pi * 24, rel=0.1)
    inside = np.zeros((HEIGHT, WIDTH), bool)
    inside[2:8, 3:8] = runs
    np.testing.assert_array_equal(mask_of(things['mask']), inside)
    assert mask_of(things['parts']).sum() == 25
    assert dataset.left_out == {'not annotated': ['images/other.png']}
    assert 'left out: 1 shapes of type points, without area' in dataset.notes


def test_a_box_of_cvat_is_a_box_and_a_cuboid_takes_its_image_out(tmp_path):
    cvat(tmp_path, ('box', dict(label='a', xtl=16, ytl=12, xbr=6, ybr=8)))  # corners swapped
    (thing,) = things_of(tmp_path)
    assert thing['bbox'] == [6, 8, 10, 4]
    assert 'segmentation' not in thing
    cvat(
        tmp_path, ('box', dict(label='a', xtl=1, ytl=1, xbr=9, ybr=9)), ('cuboid', dict(label='b'))
    )
    with pytest.raises(
        UserError, match='shapes of type cuboid, which would be taught as background'
    ):
        read_dataset(tmp_path)


def test_tracks_of_a_video_are_named(tmp_path):
    picture(tmp_path / 'a.png', 0)
    (tmp_path / 'annotations.xml').write_text('<annotations><track id="0"></track></annotations>')
    with pytest.raises(UserError, match='tracks of a video'):
        read_dataset(tmp_path)


def yolo(root, text, **settings):
    picture(root / 'images/a.png', 0)
    (root / 'labels').mkdir(exist_ok=True)
    (root / 'labels/a.txt').write_text(text)
    (root / 'data.yaml').write_text(json.dumps(dict(names=['x', 'y']) | settings))


def test_lines_of_yolo(tmp_path):
    corners = np.array([(12, 2), (20, 10), (12, 18), (4, 10)])
    numbers = ' '.join(map(str, (corners / SIZE).ravel()))
    yolo(tmp_path, f'1 {numbers}\n')  # an oriented box
    (thing,) = things_of(tmp_path)
    assert thing['label'] == 'y'
    assert iou(mask_of(thing), drawn(*corners)) > 0.95
    assert thing['bbox'] == pytest.approx([4, 2, 16, 16])
    yolo(tmp_path, '0 .5 .5 .5 .5 .1 .1 2 .2 .2 0\n', kpt_shape=[2, 3])
    dataset = read_dataset(tmp_path)
    (thing,) = dataset.images[0].objects
    assert thing['bbox'] == pytest.approx([6, 5, 12, 10])
    assert 'keypoints (2 an object) are not used, boxes are' in dataset.notes


@pytest.mark.parametrize(
    ('text', 'words'),
    [
        ('0 .5 .5 .5 .5 .1 .1 2 .2 .2 0\n', 'no shares of the image'),  # keypoints, unsaid
        ('0 12 10 4 4\n', 'no shares of the image'),  # pixels
        ('0 .5 .5 .5 .5 .9\n', 'lines of 6 numbers, neither a box nor an outline'),
        ('0 nan .5 .5 .5\n', 'no shares of the image'),
        ('0.5 .5 .5 .5 .5\n', 'it has category 0.5'),
        ('-1 .5 .5 .5 .5\n', 'it has category -1'),
        ('x .5 .5 .5 .5\n', 'is not an annotation of YOLO'),
    ],
)
def test_what_yolo_does_not_mean_is_said(tmp_path, text, words):
    yolo(tmp_path, text)
    with pytest.raises(UserError, match=words):
        read_dataset(tmp_path)


def voc(root, inside, difficult=0):
    picture(root / 'a.png', 0)
    (root / 'a.xml').write_text(
        f'<annotation><object><name>x</name><difficult>{difficult}</difficult>{inside}</object>'
        '</annotation>'
    )


def test_boxes_and_outlines_of_voc(tmp_path):
    voc(tmp_path, '<bndbox><xmin>9</xmin><ymin>3</ymin><xmax>4</xmax><ymax>8</ymax></bndbox>')
    assert things_of(tmp_path)[0]['bbox'] == [3, 2, 6, 6]  # the corners were swapped
    points = [(2, 2), (14, 4), (8, 16)]
    tags = ''.join(f'<x{i}>{x}</x{i}><y{i}>{y}</y{i}>' for i, (x, y) in enumerate(points, 1))
    voc(tmp_path, f'<polygon>{tags}</polygon>')
    assert iou(mask_of(things_of(tmp_path)[0]), drawn(*points)) == 1
    numbers = dict(cx=12, cy=10, w=10, h=4, angle=np.pi / 2)
    tags = ''.join(f'<{key}>{value}</{key}>' for key, value in numbers.items())
    voc(tmp_path, f'<robndbox>{tags}</robndbox>')
    np.testing.assert_allclose(things_of(tmp_path)[0]['bbox'], [10, 5, 4, 10], atol=1e-6)


def test_regions_that_label_studio_labels_apart(tmp_path):
    """The label of a region may be another result of its id; one without any is no background."""
    size = dict(original_width=WIDTH, original_height=HEIGHT)
    place = dict(x=25, y=20, width=50, height=40)
    results = [
        dict(id='a', type='rectangle', value=place, **size),
        dict(id='a', type='labels', value=place | dict(labels=['cat']), **size),
    ]

    def save(results):
        picture(tmp_path / 'a.png', 0)
        task = dict(id=1, data=dict(image='s3://b/a.png'), annotations=[dict(result=results)])
        (tmp_path / 'p.json').write_text(json.dumps([task]))

    save(results)
    (thing,) = things_of(tmp_path)
    assert (thing['label'], thing['bbox']) == ('cat', [6, 4, 12, 8])
    save([*results, dict(id='b', type='rectangle', value=place, **size)])
    with pytest.raises(UserError, match='regions without a label, which would be taught'):
        read_dataset(tmp_path)


def test_boxes_among_outlines_are_ignored_and_do_not_turn_masks_off(tmp_path):
    images = {f'images/{i}.png': [(0, (2, 2, 9, 9)), (1, (4, 4, 12, 12))] for i in range(3)}
    write('COCO', World(images, ['x', 'y']), tmp_path)
    path = tmp_path / 'annotations/instances_default.json'
    content = json.loads(path.read_text())
    content['annotations'][0].pop('segmentation')
    content['annotations'][3]['segmentation'] = [[1, 1, 5, 5]]  # no outline
    path.write_text(json.dumps(content))
    dataset = read_dataset(tmp_path)
    assert dataset.has_masks
    assert dataset.counts('all').total() == 4
    assert any('2 of 6 objects are boxes without an outline' in note for note in dataset.notes)
    assert not dataset.originals


def test_objects_that_mmdet_would_drop_become_crowds(tmp_path):
    write('COCO', World({f'{i}.png': [(0, (2, 2, 9, 9))] * 2 for i in range(3)}, ['x']), tmp_path)
    path = tmp_path / 'annotations/instances_default.json'
    content = json.loads(path.read_text())
    content['annotations'][0]['ignore'] = 1
    path.write_text(json.dumps(content))
    assert read_dataset(tmp_path).counts('all').total() == 5


POINTS = st.lists(
    st.tuples(st.floats(-30, 50, width=32), st.floats(-30, 50, width=32)), min_size=3, max_size=8
)


@settings(max_examples=150, deadline=None)
@given(POINTS)
def test_clipping_is_the_intersection_with_the_image(points):
    whole = Polygon(points)
    if not whole.is_valid:
        return
    clipped = clip_polygon(np.array(points, float), SIZE)
    expected = whole.intersection(box(0, 0, *SIZE))
    found = abs(Polygon(clipped).area) if len(clipped) >= 3 else 0.0
    assert found == pytest.approx(expected.area, rel=1e-6, abs=1e-3)
    if len(clipped):
        assert clipped.min() >= 0
        assert (clipped <= SIZE).all()


def test_objects_whose_area_is_said_to_be_0_are_objects(tmp_path):
    """Some exporters write 0 for all, and training would leave all of them out."""
    write('COCO', World({f'{i}.png': [(0, (2, 2, 9, 9))] * 2 for i in range(3)}, ['x']), tmp_path)
    path = tmp_path / 'annotations/instances_default.json'
    content = json.loads(path.read_text())
    for i, thing in enumerate(content['annotations']):
        thing['area'] = 0
        if i % 2:
            thing.pop('segmentation')
            thing['bbox'] = [2, 2, 9, 8]
    path.write_text(json.dumps(content))
    dataset = read_dataset(tmp_path)
    areas = {thing['area'] for image in dataset.images for thing in image.objects}
    assert areas == {81, 72}
    assert any('6 objects have no area, which is computed' in note for note in dataset.notes)
