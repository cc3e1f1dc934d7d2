"""Shapes of Label Studio's own export: turned, round, and painted."""

import json

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask

from mmgreen.errors import UserError
from mmgreen.importing import read_dataset
from mmgreen.importing.layouts.label_studio import decode_brush

SIZE = 60, 40


def bits(value, count):
    return [value >> i & 1 for i in reversed(range(count))]


def encode_brush(values):
    """As Label Studio's page encodes, with runs where there are some and copies where not."""
    lengths = (3, 4, 8, 16)
    stream = bits(len(values), 32) + bits(7, 5)
    for length in lengths:
        stream += bits(length - 1, 4)
    at = 0
    while at < len(values):
        end = at + 1
        while end < len(values) and values[end] == values[at] and end - at < 2**16:
            end += 1
        repeated = end - at > 1
        if not repeated:  # a few values as they are
            end = min(at + 5, len(values))
        which = next(i for i, n in enumerate(lengths) if end - at - 1 < 2**n)
        stream += [int(repeated), *bits(which, 2), *bits(end - at - 1, lengths[which])]
        for value in values[at:end][: 1 if repeated else None]:
            stream += bits(int(value), 8)
        at = end
    return np.packbits(np.array(stream, np.uint8)).tolist()


def result(kind, **value):
    return dict(type=kind, original_width=SIZE[0], original_height=SIZE[1], value=value)


def dataset_of(folder, *results, name='a.png'):
    Image.new('RGB', SIZE).save(folder / 'a.png')
    task = dict(id=7, data=dict(image=f's3://bucket/{name}'), annotations=[dict(result=results)])
    (folder / 'project.json').write_text(json.dumps([task]))
    return read_dataset(folder)


def objects_of(folder, *results):
    (image,) = dataset_of(folder, *results).images
    return image.objects


def mask_of(thing):
    rle = thing['segmentation']
    if isinstance(rle, list):
        rle = coco_mask.merge(coco_mask.frPyObjects(rle, SIZE[1], SIZE[0]))
    return coco_mask.decode(rle).astype(bool)


def test_a_rectangle_and_one_that_is_turned(tmp_path):
    plain = dict(x=10, y=25, width=50, height=20, rectanglelabels=['cell'])
    turned = dict(plain, x=50, rotation=90)  # clockwise about its upper left corner
    first, second = objects_of(
        tmp_path, result('rectanglelabels', **plain), result('rectanglelabels', **turned)
    )
    assert (first['label'], first['bbox']) == ('cell', [6, 10, 30, 8])
    np.testing.assert_allclose(second['bbox'], [30 - 8, 10, 8, 30])


def test_an_ellipse(tmp_path):
    value = dict(x=50, y=50, radiusX=25, radiusY=10, rotation=0, ellipselabels=['cell'])
    (thing,) = objects_of(tmp_path, result('ellipselabels', **value))
    y, x = np.mgrid[: SIZE[1], : SIZE[0]] + 0.5
    inside = ((x - 30) / 15) ** 2 + ((y - 20) / 4) ** 2 <= 1
    assert (mask_of(thing) & inside).sum() / (mask_of(thing) | inside).sum() > 0.9


def test_what_was_painted(tmp_path):
    painted = np.random.default_rng(0).random(SIZE[::-1]) > 0.5
    painted[10:20, 5:40] = True
    picture = np.zeros((*SIZE[::-1], 4), np.uint8)
    picture[painted] = 30, 60, 90, 255
    encoded = encode_brush(picture.ravel())
    np.testing.assert_array_equal(decode_brush(encoded), picture.ravel())
    (thing,) = objects_of(
        tmp_path, result('brushlabels', format='rle', rle=encoded, brushlabels=['cell'])
    )
    np.testing.assert_array_equal(mask_of(thing), painted)


def test_what_is_no_object_is_counted(tmp_path):
    box = result('rectanglelabels', x=10, y=25, width=50, height=20, rectanglelabels=['cell'])
    dataset = dataset_of(tmp_path, box, dict(type='choices', value=dict(choices=['good'])))
    assert dataset.format == 'Label Studio'
    assert 'left out: 1 results of type choices' in dataset.notes


@pytest.mark.parametrize(
    ('results', 'name', 'words'),
    [
        ([], 'b.png', '1 images of .*project.json are not below .*: b.png'),
        ([result('brushlabels', rle=[0, 0, 1], brushlabels=['a'])], 'a.png', 'task 7 .* end early'),
        ([result('polygonlabels', polygonlabels=['a'])], 'a.png', 'task 7 .* KeyError'),
        ([], 'a.txt', 'task 7 .* names no image'),
        ([], 'a.png', 'contain no object'),
    ],
)
def test_what_is_wrong_is_said(tmp_path, results, name, words):
    with pytest.raises(UserError, match=words):
        dataset_of(tmp_path, *results, name=name)


def test_an_image_of_another_size_is_refused(tmp_path):
    box = result('rectanglelabels', x=10, y=25, width=50, height=20, rectanglelabels=['cell'])
    with pytest.raises(UserError, match=r'a.png'):
        dataset_of(tmp_path, dict(box, original_width=61))
