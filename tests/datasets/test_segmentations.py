"""Segmentations that nobody could read are refused before a run."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import mask as coco_mask

from mmgreen.datasets.faults import Faults
from mmgreen.datasets.segmentations import (
    boxes_contradict,
    check_segmentations,
    run_length_sums,
)


@given(st.lists(st.lists(st.integers(0, 90_000), min_size=1, max_size=40), max_size=5))
def test_sums_are_those_of_the_run_lengths(masks):
    """Compressed by pycocotools, whatever they add up to."""
    texts = [
        coco_mask.frPyObjects(dict(size=[9, 9], counts=counts), 9, 9)['counts'].decode()
        for counts in masks
    ]
    assert run_length_sums(texts).tolist() == [sum(counts) for counts in masks]


@pytest.mark.parametrize('text', ['', 'a b', 'é', '0\x7f', 'o'])
def test_what_is_malformed_is_minus_one(text):
    assert run_length_sums(['22', text]).tolist()[1] == -1


def annotation(segmentation):
    return dict(id=7, image_id=1, segmentation=segmentation)


def encoded(mask):
    rle = coco_mask.encode(np.asfortranarray(mask))
    return dict(rle, counts=rle['counts'].decode())


MASK = np.zeros((4, 6), np.uint8)


@pytest.mark.parametrize(
    ('segmentation', 'words'),
    [
        ([1, 2, 3, 4, 5, 6], r'no list of lists: write \[\[x1, y1'),
        ([[1, 2, 'x', 4, 5, 6]], 'not made of numbers'),
        ([[1, 2, None, 4, 5, 6]], 'not made of numbers'),
        ('abc', 'neither polygons nor run lengths'),
        (dict(size=[4, 6], counts=[3, 4]), 'add up to 7 pixels, where its image has 4 x 6 = 24'),
        (dict(size=[4, 6], counts='22'), 'add up to 4 pixels'),
        (dict(size=[4, 6], counts='o'), 'cannot be read'),
        (dict(size=[4, 6], counts=None), 'neither text nor whole numbers'),
        (dict(size=[6, 4], counts=[24]), r'for \[6, 4\], where its image has \[4, 6\]'),
    ],
)
def test_what_is_wrong_is_said(segmentation, words):
    faults = Faults()
    assert check_segmentations([annotation(segmentation)], {1: (6, 4)}, 'a.json', faults) == []
    (said,) = faults.sentences()
    assert re.match(f'annotation 7 of a.json has .*{words}', said)


def test_what_is_right_passes_and_what_is_short_is_counted():
    right = [[[0, 0, 2, 0, 2, 2]], encoded(MASK), dict(size=[4, 6], counts=[20, 4]), [], None]
    annotations = [annotation(segmentation) for segmentation in right]
    faults = Faults()
    assert check_segmentations(annotations, {1: (6, 4)}, 'a.json', faults) == []
    short = [annotation([[0, 0, 2, 2]]), annotation([[0, 0, 2, 0, 2, 2], [1, 1, 2, 2, 3]])]
    assert check_segmentations(short, {1: (6, 4)}, 'a.json', faults) == [7, 7]
    assert faults.sentences() == []


def test_boxes_of_two_corners_contradict_their_polygons():
    polygon = [[30, 40, 80, 40, 80, 90, 30, 90]]
    right = [dict(id=i, bbox=[30, 40, 50, 50], segmentation=polygon) for i in (1, 2)]
    wrong = [dict(id=i, bbox=[30, 40, 80, 90], segmentation=polygon) for i in (3, 4, 5)]
    assert not boxes_contradict(right)
    assert not boxes_contradict(right + wrong[:2])
    assert boxes_contradict(right + wrong) == [3, 4, 5]
    assert not boxes_contradict([dict(id=1, bbox=[0, 0, 1, 1], segmentation=[])])
