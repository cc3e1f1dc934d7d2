"""Masks inside their boxes: mmdet's bitmaps of the whole image, whatever is done to them."""

import pickle

import mmcv
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmdet.structures.bbox import HorizontalBoxes
from mmdet.structures.mask import BitmapMasks
from pycocotools import mask as coco_mask

from mmgreen.datasets.cropped_masks import CroppedMasks


@st.composite
def bitmaps(draw):
    """Objects of any shape, some without a pixel, some at a border, some over the whole image."""
    number, height, width = draw(st.integers(0, 4)), *draw(st.tuples(*[st.integers(1, 24)] * 2))
    noise = np.random.default_rng(draw(st.integers(0, 9999)))
    masks = np.zeros((number, height, width), np.uint8)
    for mask in masks:
        top, left = noise.integers(0, height), noise.integers(0, width)
        bottom, right = noise.integers(top, height + 1), noise.integers(left, width + 1)
        mask[top:bottom, left:right] = noise.random((bottom - top, right - left)) > 0.3
    return masks


sides = st.integers(1, 40)
corners = st.lists(st.integers(-5, 45), min_size=4, max_size=4)
OPERATIONS = dict(
    resize=st.tuples(st.tuples(sides, sides)),
    rescale=st.tuples(st.tuples(sides, sides)),
    flip=st.tuples(st.sampled_from(['horizontal', 'vertical', 'diagonal'])),
    crop=st.tuples(corners.map(np.array)),
    pad=st.tuples(st.tuples(st.integers(40, 50), st.integers(40, 50))),
    translate=st.tuples(st.tuples(sides, sides), st.integers(-5, 5)),
    expand=st.tuples(st.just(60), st.just(60), st.integers(0, 9), st.integers(0, 9)),
    __getitem__=st.tuples(
        st.sampled_from([slice(None), slice(0, 0), slice(1, 3), np.array([], int), slice(None, None, -1)])
    ),
)  # fmt: skip
operations = st.lists(
    st.sampled_from(list(OPERATIONS)).flatmap(
        lambda name: st.tuples(st.just(name), OPERATIONS[name])
    ),
    max_size=4,
)


def both(masks):
    """From run lengths, every second one compressed."""
    height, width = masks.shape[1:]
    counts = [runs(mask) for mask in masks]
    for i, each in enumerate(counts[::2]):
        counts[2 * i] = coco_mask.frPyObjects(
            dict(size=[height, width], counts=each), height, width
        )['counts'].decode()
    return CroppedMasks.of_runs(counts, height, width), BitmapMasks(masks, height, width)


def runs(mask):
    pixels = mask.T.ravel()
    changes = np.flatnonzero(np.diff(pixels, prepend=0))
    return np.diff(changes, prepend=0, append=len(pixels)).tolist()


def is_inside(masks, name, args):
    """Whether mmdet takes the arguments: it crops inside an image only, and no side becomes none."""
    if name == 'crop':
        left, top, right, bottom = args[0]
        return left < masks.width and top < masks.height and right > left and bottom > top
    if name == 'rescale':
        return min(mmcv.rescale_size((masks.width, masks.height), args[0])) > 0
    if name == 'pad':
        return args[0][0] >= masks.height and args[0][1] >= masks.width
    if name == 'expand':
        return max(masks.height, masks.width) <= 50
    return True


@settings(deadline=None, max_examples=300)
@given(bitmaps(), operations, st.integers(0, 4))
def test_whatever_is_done_to_them_they_are_the_bitmaps(masks, steps, seen):
    ours, theirs = both(masks)
    for number, (name, args) in enumerate(steps):
        if number == seen and len(ours):  # from here on they are mmdet's
            ours.masks[0] = theirs.masks[0] = 1
        if is_inside(theirs, name, args):
            ours, theirs = getattr(ours, name)(*args), getattr(theirs, name)(*args)
    ours = pickle.loads(pickle.dumps(ours))
    assert len(ours) == len(theirs)
    assert (ours.height, ours.width) == (theirs.height, theirs.width)
    np.testing.assert_array_equal(ours.areas, theirs.areas)
    boxes = [each.get_bboxes(HorizontalBoxes).tensor.numpy() for each in (ours, theirs)]
    np.testing.assert_array_equal(*boxes)
    np.testing.assert_array_equal(ours.to_ndarray(), theirs.to_ndarray())


@settings(deadline=None, max_examples=200)
@given(bitmaps().filter(len), st.integers(0, 9999), st.sampled_from([(28, 28), (7, 14)]))
def test_inside_proposals_they_are_what_mmdet_interpolates(masks, seed, size):
    ours, theirs = both(masks)
    noise = np.random.default_rng(seed)
    limits = np.array([ours.width, ours.height] * 2)
    boxes = np.sort(noise.uniform(-2, limits + 2, (6, 4)).reshape(6, 2, 2), 1).reshape(6, 4)
    boxes = np.concatenate([boxes, [[0, 0, *limits[:2]], [1, 1, 1, 1]]]).astype(np.float32)
    which = noise.integers(0, len(masks), len(boxes))
    soft, expected = (
        each.crop_and_resize(boxes, size, which, 'cpu', binarize=False).to_ndarray()
        for each in (ours, theirs)
    )
    np.testing.assert_allclose(soft, expected, atol=1e-5)
    hard = ours.crop_and_resize(boxes, size, which, 'cpu').to_ndarray()
    sure = np.abs(expected - 0.5) > 1e-5
    np.testing.assert_array_equal(hard[sure], expected[sure] > 0.5)


@given(bitmaps(), bitmaps())
def test_they_are_joined_with_each_other_and_with_bitmaps(some, others):
    size = 30, 30
    ours, theirs = zip(*(both(masks) for masks in (some, others)), strict=True)
    ours, theirs = ([each.pad(size) for each in masks] for masks in (ours, theirs))
    expected = BitmapMasks.cat(theirs).masks
    joined = CroppedMasks.cat(ours)
    assert isinstance(joined, CroppedMasks)
    np.testing.assert_array_equal(joined.masks, expected)
    np.testing.assert_array_equal(CroppedMasks.cat([ours[0], theirs[1]]).masks, expected)


@pytest.mark.parametrize('counts', ['0', 'a', 'ÿ', [3, 2], [25, -1], []])
def test_run_lengths_of_another_image_are_refused(counts):
    with pytest.raises(ValueError, match='a mask has run lengths that'):
        CroppedMasks.of_runs([[4, 20], counts], 4, 6)


def test_runs_without_a_pixel_are_none():
    masks = CroppedMasks.of_runs([[24], [0, 0, 24], [3, 0, 2, 5, 1, 0, 13]], 4, 6)
    assert masks.areas.tolist() == [0, 0, 5]
    assert masks.masks[2].T.ravel()[5:10].all()


@pytest.mark.parametrize('way', ['read', 'written'])
def test_code_that_draws_into_them_is_heard(way):
    ours, _ = both(np.ones((2, 4, 6), np.uint8))
    if way == 'read':
        ours.masks[:, 1:] = 0
    else:
        ours.masks = np.eye(4, 6, dtype=np.uint8)[None].repeat(2, 0)
    assert ours.flip().areas.tolist() == ([6, 6] if way == 'read' else [4, 4])
