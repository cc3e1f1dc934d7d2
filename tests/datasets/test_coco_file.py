"""COCO files as tools write them, brought to COCO's ways: crowd flags, names, run lengths, ids."""

import json
import math
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco_mask

from mmgreen.datasets.annotations import examine_annotations, read_annotations
from mmgreen.datasets.coco_file import load_coco
from mmgreen.datasets.segmentations import decode_runs, run_length_sums, without_empty_runs
from mmgreen.errors import UserError


@pytest.fixture
def write(tmp_path):
    def inner(**change):
        thing = dict(id=1, image_id=1, category_id=1, bbox=[1, 1, 4, 4], area=16) | change
        content = dict(
            images=[dict(id=1, file_name='a.jpg', width=20, height=10)],
            annotations=[thing],
            categories=[dict(id=1, name=' a\ncat ')],
        )
        path = tmp_path / 'a.json'
        path.write_text(json.dumps(content))
        return str(path)

    return inner


@pytest.mark.parametrize(
    ('flag', 'number'),
    [('0', 0), ('1', 1), (None, 0), (False, 0), (True, 1), (1.0, 1), ('False', 0), ('', 0)],
)
def test_crowd_flags_of_any_kind(write, flag, number):
    (thing,) = load_coco(write(iscrowd=flag))['annotations']
    assert thing['iscrowd'] == number
    assert type(thing['iscrowd']) is int


def test_a_crowd_flag_that_says_nothing_is_refused(write):
    with pytest.raises(UserError, match="iscrowd 'maybe', which is neither 0 nor 1"):
        load_coco(write(iscrowd='maybe'))


def test_names_are_one_line(write):
    assert read_annotations(write()).categories == ('a cat',)


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        (dict(bbox=[1, math.nan, 4, 4]), 'not made of numbers'),
        (dict(bbox=[1, 1, math.inf, 4]), 'not made of numbers'),
        (dict(area=math.nan), 'not made of numbers'),
        (dict(area=10**400), 'not made of numbers'),
        (dict(bbox=[1, 2.1e8, 4, 4]), 'lies far outside its image of 20x10 pixels'),
        (dict(bbox=[9, 9, -4, 4]), 'negative width or height'),
        (dict(segmentation=[[1, 1, 5, 1, 5, 2.1e8]]), 'not inside the image, or anywhere near it'),
        (dict(segmentation=[[1, 1, 5, 1, math.nan, 5]]), 'not inside the image'),
        (dict(segmentation=dict(size=[10, 20], counts=[-5, 205])), 'cannot be read'),
    ],
)
def test_numbers_are_finite_and_plausible(write, change, words):
    _, (fault,) = examine_annotations(write(**change))
    assert words in fault


@pytest.mark.parametrize('size', [(math.nan, 10), (math.inf, 10), (20.5, 10), (-20, 10)])
def test_sizes_are_whole_numbers(write, tmp_path, size):
    path = write()
    content = json.loads(Path(path).read_text())
    content['images'][0].update(width=size[0], height=size[1])
    Path(path).write_text(json.dumps(content))
    _, (fault,) = examine_annotations(path)
    assert 'must be whole numbers above 0' in fault


@pytest.mark.parametrize('ids', [(2**127 + 5, 2**90), ('img-7', 'cat'), (0, 0)])
def test_ids_of_any_size_and_text(write, ids):
    path = write()
    content = json.loads(Path(path).read_text())
    content['images'][0]['id'] = content['annotations'][0]['image_id'] = ids[0]
    content['categories'][0]['id'] = content['annotations'][0]['category_id'] = ids[1]
    Path(path).write_text(json.dumps(content))
    assert examine_annotations(path)[1] == []


def test_an_edited_file_is_read_anew(write):
    path = write()
    assert read_annotations(path).kinds['crowd'] == 0
    before = os.stat(path)
    write(iscrowd=1)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert read_annotations(path).kinds['crowd'] == 1


def compress(counts):
    """COCO's text of run lengths, also of such as pycocotools never writes."""
    text = ''
    for i, count in enumerate(counts):
        x = count - counts[i - 2] if i > 2 else count
        while True:
            bits, x = x & 0x1F, x >> 5
            more = x != (-1 if bits & 0x10 else 0)
            text += chr(48 + (bits | (0x20 if more else 0)))
            if not more:
                break
    return text


RUNS = st.lists(st.integers(0, 90), min_size=1, max_size=9)


@settings(max_examples=60, deadline=None)
@given(st.lists(RUNS, min_size=1, max_size=4), st.booleans())
def test_runs_of_no_pixels_are_joined(masks, as_text):
    masks = [counts for counts in masks if sum(counts)]
    texts = [compress(counts) for counts in masks]
    if masks:
        numbers, begin, whole = decode_runs(texts)
        assert whole == list(range(len(masks)))
        assert [numbers[a:b].tolist() for a, b in zip(begin, begin[1:], strict=False)] == masks
        assert run_length_sums(texts).tolist() == [sum(counts) for counts in masks]
    things = [
        dict(segmentation=dict(size=[sum(counts), 1], counts=text if as_text else counts))
        for counts, text in zip(masks, texts, strict=True)
    ]
    without_empty_runs(things)
    for thing, counts in zip(things, masks, strict=True):
        mask = thing['segmentation']
        inside = np.concatenate([np.full(c, i % 2) for i, c in enumerate(counts)])
        rle = (
            coco_mask.frPyObjects(mask, *mask['size']) if isinstance(mask['counts'], list) else mask
        )
        np.testing.assert_array_equal(coco_mask.decode(rle).ravel(), inside)
        found = mask['counts']
        if isinstance(found, list):
            assert 0 not in found[1:]
        else:
            assert 0 not in counts[1:], 'text that needed no change stays text'
        merged = coco_mask.merge([rle, rle])  # for ever, with runs of no pixels
        assert coco_mask.area(merged) == inside.sum()
