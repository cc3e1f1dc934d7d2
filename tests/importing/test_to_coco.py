"""LabelMe and Pascal VOC to COCO, read back by pycocotools and by training."""

import base64
import io
import json

import numpy as np
import pytest
from helpers import run_tool
from PIL import Image
from pycocotools.coco import COCO

TOOL = 'tools/datasets/to_coco.py'
SIZE = (60, 40)


def picture(path, size=SIZE):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new('RGB', size, 'grey').save(path)


def labelme(path, *shapes, size=SIZE):
    picture(path, size)
    content = dict(
        shapes=list(shapes), imagePath=path.name, imageWidth=size[0], imageHeight=size[1]
    )
    path.with_suffix('.json').write_text(json.dumps(content))


def shape(label, points, kind='polygon', group=None, **kwargs):
    return dict(label=label, points=points, shape_type=kind, group_id=group, **kwargs)


def voc(path, *objects, size=SIZE):
    path.parent.mkdir(parents=True, exist_ok=True)
    entries = ''.join(
        f'<object><name>{name}</name><difficult>{difficult}</difficult><bndbox>'
        + ''.join(
            f'<{k}>{v}</{k}>' for k, v in zip(('xmin', 'ymin', 'xmax', 'ymax'), box, strict=True)
        )
        + '</bndbox></object>'
        for name, box, difficult in objects
    )
    path.write_text(
        f'<annotation><size><width>{size[0]}</width><height>{size[1]}</height></size>{entries}'
        '</annotation>'
    )


def convert(*args):
    done = run_tool(TOOL, *args)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_shapes_of_labelme_become_masks(tmp_path):
    patch = np.zeros((10, 8), bool)
    patch[2:, 3:] = True
    buffer = io.BytesIO()
    Image.fromarray(patch).save(buffer, 'PNG')
    labelme(
        tmp_path / 'images/deep/a.png',
        shape('cat', [[10, 5], [30, 5], [30, 25], [10, 25]]),
        shape('cat', [[-10, -10], [5, 8]], 'rectangle'),  # clipped to the image
        shape('dog', [[30, 20], [40, 20]], 'circle'),
        # The parts of one animal behind a tree.
        shape('dog', [[0, 30], [5, 30], [5, 35], [0, 35]], group=1),
        shape('dog', [[20, 30], [25, 30], [25, 35], [20, 35]], group=1),
        shape(
            'cat', [[40, 2], [48, 12]], 'mask', mask=base64.b64encode(buffer.getvalue()).decode()
        ),
        shape('cat', [[1, 1]], 'point'),
        shape('cat', [[70, 50], [80, 50], [80, 60]]),  # outside
    )
    picture(tmp_path / 'images/unlabelled.jpg')
    said = convert(tmp_path / 'images', tmp_path / 'out.json')
    assert '1 images, 5 annotations' in said
    assert 'categories: cat, dog' in said
    assert 'left out: 1 shapes of type point' in said
    assert 'left out: 1 objects without area inside the image' in said
    assert 'left out: 1 not annotated (unlabelled.jpg)' in said

    coco = COCO(str(tmp_path / 'out.json'))
    (image,) = coco.imgs.values()
    assert image['file_name'] == 'deep/a.png'
    assert (image['width'], image['height']) == SIZE
    by_box = {tuple(round(v) for v in a['bbox']): a for a in coco.anns.values()}
    assert set(by_box) == {
        *((10, 5, 20, 20), (0, 0, 5, 8), (20, 10, 20, 20), (0, 30, 25, 5), (43, 4, 5, 8)),
    }
    masks = {box: coco.annToMask(a).astype(bool) for box, a in by_box.items()}
    assert masks[10, 5, 20, 20][5:25, 10:30].all()
    assert masks[10, 5, 20, 20].sum() == by_box[10, 5, 20, 20]['area'] == 400
    assert masks[0, 30, 25, 5].sum() == 50  # two parts
    assert masks[20, 10, 20, 20].sum() == pytest.approx(np.pi * 100, rel=0.03)
    assert np.array_equal(masks[43, 4, 5, 8][2:12, 40:48], patch)
    assert all(a['iscrowd'] == 0 for a in coco.anns.values())


def test_boxes_of_voc_count_from_zero(tmp_path):
    picture(tmp_path / 'JPEGImages/a.jpg')
    voc(
        tmp_path / 'Annotations/a.xml',
        ('person', (1, 1, 60, 40), 0),
        ('car', (11, 6, 20, 15), 1),
    )
    folders = (tmp_path / 'JPEGImages', tmp_path / 'out.json', '--annotations')
    said = convert(*folders, tmp_path / 'Annotations')
    assert 'Mask R-CNN needs masks' in said
    car, person = sorted(COCO(str(tmp_path / 'out.json')).anns.values(), key=lambda a: a['area'])
    assert person['bbox'] == [0, 0, 60, 40]
    assert person['iscrowd'] == 0
    assert car['bbox'] == [10, 5, 10, 10]
    assert car['iscrowd'] == 1  # difficult
    assert 'segmentation' not in car

    convert(*folders, tmp_path / 'Annotations', '--boxes-as-masks')
    coco = COCO(str(tmp_path / 'out.json'))
    assert all(coco.annToMask(a).sum() == a['area'] for a in coco.anns.values())


def test_a_part_is_held_out_with_the_same_categories(tmp_path):
    for i in range(40):
        name = ('cat', 'dog', 'emu')[i % 3]
        labelme(tmp_path / f'{i}.png', shape(name, [[1, 1], [9, 1], [9, 9]]))
    val = ('--val', tmp_path / 'val.json', '--val-share', 0.3)
    convert(tmp_path, tmp_path / 'train.json', *val)
    train, held = (json.loads((tmp_path / f'{n}.json').read_text()) for n in ('train', 'val'))
    assert train['categories'] == held['categories']
    names = [{i['file_name'] for i in part['images']} for part in (train, held)]
    assert not names[0] & names[1]
    assert len(names[0] | names[1]) == 40
    assert 4 <= len(names[1]) <= 20

    # More images move none of them.
    (tmp_path / 'train.json').unlink()
    (tmp_path / 'val.json').unlink()
    labelme(tmp_path / 'new.png', shape('cat', [[1, 1], [9, 1], [9, 9]]))
    convert(tmp_path, tmp_path / 'train.json', *val)
    again = json.loads((tmp_path / 'val.json').read_text())
    assert names[1] <= {i['file_name'] for i in again['images']} <= names[1] | {'new.png'}


def test_categories_of_another_file_are_kept(tmp_path):
    for name, label in (('a', 'zebra'), ('b', 'ant')):
        labelme(tmp_path / name / 'x.png', shape(label, [[1, 1], [9, 1], [9, 9]]))
    labelme(tmp_path / 'both/x.png', shape('zebra', [[1, 1], [9, 1], [9, 9]]),
            shape('ant', [[1, 1], [9, 1], [9, 9]]))  # fmt: skip
    convert(tmp_path / 'both', tmp_path / 'both.json')
    convert(tmp_path / 'a', tmp_path / 'a.json', '--categories', tmp_path / 'both.json')
    both, a = (json.loads((tmp_path / f'{n}.json').read_text()) for n in ('both', 'a'))
    assert (
        a['categories'] == both['categories'] == [dict(id=1, name='ant'), dict(id=2, name='zebra')]
    )
    assert a['annotations'][0]['category_id'] == 2

    convert(tmp_path / 'a', tmp_path / 'a.json')
    done = run_tool(TOOL, tmp_path / 'b', tmp_path / 'b.json', '--categories', tmp_path / 'a.json')
    assert done.returncode == 1
    assert 'labels ant are not among the categories of' in done.stderr
    assert not (tmp_path / 'b.json').exists()


def nothing(path):
    path.mkdir()


def unlabelled(path):
    picture(path / 'a.png')


def other_json(path):
    picture(path / 'a.png')
    (path / 'a.json').write_text('{"hello": 1}')


def broken_json(path):
    picture(path / 'a.png')
    (path / 'a.json').write_text('{"shapes": [')


def broken_xml(path):
    picture(path / 'a.png')
    (path / 'a.xml').write_text('<annotation><object>')


def no_box(path):
    picture(path / 'a.png')
    (path / 'a.xml').write_text('<annotation><object><name>x</name></object></annotation>')


def other_size(path):
    labelme(path / 'a.png', shape('cat', [[1, 1], [9, 1], [9, 9]]))
    picture(path / 'a.png', (40, 60))


def two_files(path):
    labelme(path / 'a.png', shape('cat', [[1, 1], [9, 1], [9, 9]]))
    voc(path / 'a.xml', ('cat', (1, 1, 5, 5), 0))


def torn_image(path):
    labelme(path / 'a.png', shape('cat', [[1, 1], [9, 1], [9, 9]]))
    (path / 'a.png').write_bytes(b'no image')


def no_instance(path):
    labelme(path / 'a.png')


@pytest.mark.parametrize(
    ('make', 'words'),
    [
        (lambda path: None, 'folder {images} does not exist'),
        (nothing, 'no image below {images}'),
        (unlabelled, '{images} has no annotations of a format that is known'),
        (other_json, 'of no format that is known: a.json'),
        (broken_json, 'a.json is not an annotation of LabelMe'),
        (broken_xml, 'a.xml is not an annotation of Pascal VOC'),
        (no_box, 'a.xml is not an annotation of Pascal VOC'),
        (other_size, 'a.png has 40x60 pixels, and its annotations are for 60x40'),
        (two_files, 'several formats, LabelMe and Pascal VOC (a.json, a.xml)'),
        (torn_image, '1 that cannot be read as an image (a.png)'),
        (no_instance, 'contain no object'),
    ],
)
def test_what_cannot_be_converted_is_said_and_nothing_written(tmp_path, make, words):
    make(tmp_path / 'images')
    done = run_tool(TOOL, tmp_path / 'images', tmp_path / 'out.json')
    assert done.returncode == 1
    assert words.format(images=tmp_path / 'images') in done.stderr
    assert 'Traceback' not in done.stderr
    assert not (tmp_path / 'out.json').exists()
