"""Tiles: images are covered, masks are laid out right, objects are found once."""

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from pycocotools import mask as coco_mask
from scipy import ndimage
from torch import nn

from mmgreen.errors import UserError
from mmgreen.tiles import Tiling, detect_in_tiles, whole_mask


@given(
    height=st.integers(1, 1000),
    width=st.integers(1, 1000),
    side=st.integers(64, 400),
    overlap=st.floats(0, 0.8),
)
def test_tiles_cover_the_image_and_overlap(height, width, side, overlap):
    boxes = Tiling(side, overlap).boxes(height, width)
    seen = np.zeros((height, width), bool)
    for left, top, right, bottom in boxes:
        assert (right - left, bottom - top) == (min(side, width), min(side, height))
        seen[top:bottom, left:right] = True
    assert seen.all()
    columns = sorted({(left, right) for left, _, right, _ in boxes})
    for (_, right), (left, _) in zip(columns, columns[1:], strict=False):
        assert right - left >= np.floor(overlap * side) - 1


@settings(deadline=None)
@given(
    seed=st.integers(0, 10_000),
    tile=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    corner=st.tuples(st.integers(0, 5), st.integers(0, 5)),
    more=st.tuples(st.integers(0, 5), st.integers(0, 5)),
)
def test_a_mask_of_a_tile_is_that_of_the_image(seed, tile, corner, more):
    mask = np.random.default_rng(seed).random(tile) < 0.5
    size = tile[0] + corner[0] + more[0], tile[1] + corner[1] + more[1]
    expected = np.zeros(size, np.uint8)
    expected[corner[0] : corner[0] + tile[0], corner[1] : corner[1] + tile[1]] = mask
    found = whole_mask(mask, corner[1], corner[0], size)
    np.testing.assert_array_equal(coco_mask.decode(found), expected)


class Seer(nn.Module):
    """Finds every bright object of a tile, its category by its colour, in part where it is cut."""

    def test_step(self, data):
        return [self._see(image) for image in data['inputs']]

    def _see(self, image):
        found = []
        for category in (0, 1):
            parts, number = ndimage.label(image[..., category])
            for k in range(1, number + 1):
                mask = parts == k
                rows, columns = np.nonzero(mask)
                box = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
                found.append((box, category, mask.sum() / 1e6, mask))
        boxes, labels, scores, masks = zip(*found, strict=True) if found else ([], [], [], [])
        sample = DetDataSample()
        sample.pred_instances = InstanceData(
            bboxes=torch.tensor(np.array(boxes).reshape(-1, 4), dtype=torch.float32),
            labels=torch.tensor(labels, dtype=torch.int64),
            scores=torch.tensor(scores, dtype=torch.float32),
            masks=torch.from_numpy(np.array(masks, bool).reshape(-1, *image.shape[:2])),
        )
        return sample


@settings(deadline=None, max_examples=25)
@given(
    seed=st.integers(0, 10_000),
    side=st.integers(64, 120),
    overlap=st.floats(0.15, 0.5),
    size=st.tuples(st.integers(60, 300), st.integers(60, 300)),
)
@example(seed=2356, side=71, overlap=0.5, size=(71, 163))  # one row of tiles, full columns
def test_every_object_is_found_once_and_whole(seed, side, overlap, size):
    rng = np.random.default_rng(seed)
    image = np.zeros((*size, 3), np.uint8)
    truth = []
    taken = np.zeros(size, bool)
    for _ in range(12):
        height, width = rng.integers(4, 160, 2)  # some larger than a tile
        top, left = rng.integers(0, size[0]), rng.integers(0, size[1])
        place = np.s_[max(0, top - 2) : top + height + 2, max(0, left - 2) : left + width + 2]
        if taken[place].any():
            continue
        taken[place] = True
        category = int(rng.integers(2))
        mask = np.zeros(size, bool)
        mask[top : top + height, left : left + width] = True
        image[mask, category] = 255
        truth.append((category, mask))
    prepare = lambda results: dict(inputs=results['img'], data_samples=None)  # noqa: E731
    sample = detect_in_tiles(Seer(), prepare, image, Tiling(side, overlap))
    found = sample.pred_instances
    assert len(found) == len(truth)
    masks = {(int(k), m.tobytes()) for k, m in truth}
    for label, rle, box in zip(found.labels, found.masks, found.bboxes, strict=True):
        mask = coco_mask.decode(rle).astype(bool)
        assert (int(label), mask.tobytes()) in masks
        rows, columns = np.nonzero(mask)
        expected = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        assert box.tolist() == expected


@pytest.mark.parametrize(('side', 'overlap'), [(32, 0.2), (256, 0.95), (256, -0.1)])
def test_tiles_that_make_no_sense_are_refused(side, overlap):
    with pytest.raises(UserError, match='too small|not between'):
        Tiling(side, overlap)
