"""What has one right answer is mended, and said."""

import json

import pytest
from PIL import Image

from mmgreen.datasets.annotations import read_annotations
from mmgreen.datasets.mending import mend_annotations
from mmgreen.errors import UserError


def annotation(**kwargs):
    polygon = [2, 10, 8, 10, 8, 20, 2, 20]
    return dict(id=1, image_id=5, category_id=1, bbox=[2, 10, 6, 10], segmentation=polygon) | kwargs


@pytest.fixture
def file(tmp_path):
    """Faults of every kind, and an image of 10 x 30 pixels."""
    Image.new('RGB', (10, 30)).save(tmp_path / 'a.png')
    content = dict(
        images=[dict(id=5, file_name='a.png', width=30, height=10)],
        annotations=[annotation(id=0), annotation(id=0, segmentation=[], iscrowd=1)],
        categories=[dict(id=1, name='cat')],
    )
    path = tmp_path / 'ann.json'
    path.write_text(json.dumps(content))
    return path


def test_all_of_it_is_mended_and_the_file_is_sound(file, tmp_path):
    out = tmp_path / 'fixed.json'
    before = file.read_text()
    assert mend_annotations(file, out, tmp_path) == [
        '2 ids counted anew',
        '1 flat polygons made lists of one',
        '1 iscrowd added',
        '1 width and height swapped back',
        '2 area added',
    ]
    assert file.read_text() == before
    content = json.loads(out.read_text())
    assert [a['id'] for a in content['annotations']] == [1, 2]
    assert [a['area'] for a in content['annotations']] == [60, 60]
    assert [a['iscrowd'] for a in content['annotations']] == [0, 1]
    assert read_annotations(str(out)).sizes == ((10, 30),)
    again = tmp_path / 'again.json'
    assert mend_annotations(out, again, tmp_path) == []
    assert json.loads(again.read_text()) == content


def test_sizes_are_left_where_coordinates_say_otherwise(file, tmp_path):
    content = json.loads(file.read_text())
    content['annotations'][0]['bbox'] = [20, 2, 9, 6]  # beyond 10 pixels across
    file.write_text(json.dumps(content))
    mend_annotations(file, tmp_path / 'fixed.json', tmp_path)
    (image,) = json.loads((tmp_path / 'fixed.json').read_text())['images']
    assert (image['width'], image['height']) == (30, 10)


@pytest.mark.parametrize(('box', 'swapped'), [([2, 2, 6, 6], False), ([2, 10, 6, 10], True)])
def test_sizes_of_an_image_that_exif_turns_need_a_proof(file, tmp_path, box, swapped):
    # Stored with 30 x 10 pixels, decoded with 10 x 30. A box that fits into both proves nothing.
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new('RGB', (30, 10)).save(tmp_path / 'a.png', exif=exif)
    content = json.loads(file.read_text())
    content['annotations'] = [annotation(bbox=box, segmentation=[], area=1, iscrowd=0)]
    file.write_text(json.dumps(content))
    done = mend_annotations(file, tmp_path / 'fixed.json', tmp_path)
    assert done == (['1 width and height swapped back'] if swapped else [])


def test_what_cannot_be_mended_is_left(file, tmp_path):
    content = json.loads(file.read_text())
    content['images'].append(dict(id=6, file_name='a.png'))
    content['annotations'] = [annotation(image_id=6, iscrowd=0)]
    content['annotations'].append(dict(id=2, category_id=1, bbox=[1, 1, 2, 2], iscrowd=0, area=4))
    file.write_text(json.dumps(content))
    assert mend_annotations(file, tmp_path / 'fixed.json', tmp_path) == [
        '1 flat polygons made lists of one',
        '1 width and height swapped back',
    ]


def test_a_file_is_never_written_over(file, tmp_path):
    with pytest.raises(UserError, match='is the file itself: name another one'):
        mend_annotations(file, file, tmp_path)
    with pytest.raises(UserError, match='cannot be corrected'):
        mend_annotations(tmp_path / 'a.png', tmp_path / 'out.json', tmp_path)
