"""Pasting, held to what is seen: each pixel is of one image or the other, and so are the masks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mmdet.datasets.transforms import CopyPaste as MMDetCopyPaste
from mmdet.structures.bbox import HorizontalBoxes
from mmdet.structures.mask import BitmapMasks, PolygonMasks

from mmgreen.datasets.copy_paste import CopyPaste


def sample(rng, height, width, number, polygons=True):
    """An image of noise with rectangles as objects, inside it."""
    corners = []
    for _ in range(number):
        left, top = rng.integers(0, width - 4), rng.integers(0, height - 4)
        right, bottom = rng.integers(left + 3, width), rng.integers(top + 3, height)
        corners.append((left, top, right, bottom))
    rings = [[np.array([a, b, c, b, c, d, a, d], float)] for a, b, c, d in corners]
    masks = PolygonMasks(rings, height, width)
    return dict(
        img=rng.integers(0, 256, (height, width, 3), np.uint8),
        img_shape=(height, width),
        gt_bboxes=HorizontalBoxes(np.array(corners, np.float32).reshape(-1, 4)),
        gt_bboxes_labels=rng.integers(0, 5, number),
        gt_ignore_flags=np.zeros(number, bool),
        gt_masks=masks if polygons else masks.to_bitmap(),
    )


sizes = st.integers(8, 40)


@given(sizes, sizes, sizes, sizes, st.integers(0, 5), st.integers(0, 5), st.integers(0, 9))
def test_every_pixel_is_of_one_image(height, width, rows, cols, own, others, seed):
    rng = np.random.default_rng(seed)
    there, other = sample(rng, height, width, own), sample(rng, rows, cols, others)
    before, pasted = there['img'].copy(), other['img'].copy()
    step = CopyPaste(max_num_pasted=10, selected=False, bbox_occluded_thr=0, mask_occluded_thr=0)
    mixed = step.transform(there | dict(mix_results=[other]))
    covered = np.zeros((height, width), bool)
    both = min(height, rows), min(width, cols)
    for mask in other['gt_masks'].to_bitmap().masks.astype(bool):
        covered[: both[0], : both[1]] |= mask[: both[0], : both[1]]
    wide = np.zeros_like(before)
    wide[: both[0], : both[1]] = pasted[: both[0], : both[1]]
    assert np.array_equal(mixed['img'], np.where(covered[..., None], wide, before))
    assert mixed['img'].dtype == np.uint8
    assert mixed['img'].shape[:2] == (height, width) == mixed['gt_masks'].masks.shape[1:]
    lengths = {
        len(mixed[key]) for key in ('gt_bboxes', 'gt_bboxes_labels', 'gt_ignore_flags', 'gt_masks')
    }
    assert len(lengths) == 1
    for mask, box in zip(mixed['gt_masks'].masks, mixed['gt_bboxes'].tensor.numpy(), strict=True):
        seen = covered[mask.astype(bool)]
        assert mask.any()
        assert seen.all() or not seen.any()  # pasted, or not covered
        ys, xs = np.nonzero(mask)
        assert box.tolist() == pytest.approx(
            [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1], abs=1
        )
        assert (box[2:] > box[:2]).all()


def test_it_is_mmdets_where_images_have_one_size():
    for seed in range(5):
        found = []
        for step, polygons in ((CopyPaste(), True), (MMDetCopyPaste(), False)):
            rng = np.random.default_rng(seed)
            there, other = (sample(rng, 96, 128, 6, polygons) for _ in range(2))
            np.random.seed(seed)  # noqa: NPY002 (mmdet's)
            found.append(step.transform(there | dict(mix_results=[other])))
        ours, theirs = found
        assert np.array_equal(ours['img'], theirs['img'])
        seen = [k for k, mask in enumerate(theirs['gt_masks'].masks) if mask.any()]
        assert np.array_equal(ours['gt_masks'].masks, theirs['gt_masks'].masks[seen])
        assert np.array_equal(ours['gt_bboxes_labels'], theirs['gt_bboxes_labels'][seen])


def test_masks_of_run_lengths_are_taken_too():
    rng = np.random.default_rng(0)
    there, other = sample(rng, 32, 32, 2, polygons=False), sample(rng, 32, 32, 3)
    mixed = CopyPaste(selected=False).transform(there | dict(mix_results=[other]))
    assert isinstance(mixed['gt_masks'], BitmapMasks)
    assert len(mixed['gt_masks']) >= 3
