"""Pasting, held to what is seen: each pixel is of one image or the other, and so are the masks."""

import shutil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mmdet.datasets.transforms import CopyPaste as MMDetCopyPaste
from mmdet.structures.bbox import HorizontalBoxes
from mmdet.structures.mask import BitmapMasks, PolygonMasks
from mmengine.registry import DATASETS, DefaultScope

from mmgreen.datasets.copy_paste import CopyPaste
from mmgreen.errors import UserError


def sample(rng, height, width, number, polygons=True, channels=(3,)):
    """An image of noise with rectangles as objects, inside it."""
    corners = []
    for _ in range(number):
        left, top = rng.integers(0, width - 4), rng.integers(0, height - 4)
        right, bottom = rng.integers(left + 3, width), rng.integers(top + 3, height)
        corners.append((left, top, right, bottom))
    rings = [[np.array([a, b, c, b, c, d, a, d], float)] for a, b, c, d in corners]
    masks = PolygonMasks(rings, height, width)
    return dict(
        img=rng.integers(0, 256, (height, width, *channels), np.uint8),
        img_shape=(height, width),
        gt_bboxes=HorizontalBoxes(np.array(corners, np.float32).reshape(-1, 4)),
        gt_bboxes_labels=rng.integers(0, 5, number),
        gt_ignore_flags=np.zeros(number, bool),
        gt_masks=masks if polygons else masks.to_bitmap(),
    )


sizes = st.integers(8, 40)
numbers = st.integers(0, 5)


@given(
    sizes, sizes, sizes, sizes, numbers, numbers, st.sampled_from([(), (1,), (3,), (6,)]), numbers
)
def test_every_pixel_is_of_one_image(height, width, rows, cols, own, others, channels, seed):
    rng = np.random.default_rng(seed)
    there, other = (
        sample(rng, *size, channels=channels)
        for size in ((height, width, own), (rows, cols, others))
    )
    before, pasted = there['img'].copy(), other['img'].copy()
    step = CopyPaste(max_num_pasted=10, selected=False, bbox_occluded_thr=0, mask_occluded_thr=0)
    mixed = step.transform(there | dict(mix_results=[other]))
    covered = np.zeros((height, width), bool)
    both = min(height, rows), min(width, cols)
    for mask in other['gt_masks'].to_bitmap().masks.astype(bool):
        covered[: both[0], : both[1]] |= mask[: both[0], : both[1]]
    wide = np.zeros_like(before)
    wide[: both[0], : both[1]] = pasted[: both[0], : both[1]]
    assert np.array_equal(
        mixed['img'], np.where(covered.reshape(height, width, *(1 for _ in channels)), wide, before)
    )
    assert mixed['img'].dtype == mixed['gt_masks'].masks.dtype == np.uint8
    assert mixed['gt_masks'].pad((50, 50)).masks.shape[1:] == (50, 50)
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


LOADED = [
    dict(type='LoadImageFromFile'),
    dict(type='mmgreen.LoadAnnotations', with_bbox=True, with_mask=True),
    dict(type='Resize', scale=(96, 96), keep_ratio=True),
    dict(type='RandomCrop', crop_size=(64, 64), allow_negative_crop=True),
]
MIXED = [dict(type='mmgreen.CopyPaste'), dict(type='PackDetInputs')]
BOXES = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations', with_bbox=True)]
YOLOX = [
    dict(type='Mosaic', img_scale=(96, 96)),
    dict(type='RandomAffine', border=(-48, -48)),
    dict(type='MixUp', img_scale=(96, 96)),
    dict(type='PackDetInputs'),
]


def images(folder, pipeline, kind='mmgreen.CocoDataset', **settings):
    return dict(
        type=kind,
        data_root=str(folder),
        ann_file='annotations/train.json',
        data_prefix=dict(img='train'),
        pipeline=pipeline,
        **settings,
    )


def build(dataset):
    with DefaultScope.overwrite_default_scope('mmdet'):
        return DATASETS.build(dataset)


@pytest.mark.parametrize(('loaded', 'mixed'), [(LOADED, MIXED), (BOXES, YOLOX)])
def test_in_a_pipeline_it_is_what_a_wrapper_of_mmdet_makes(demo, loaded, mixed):
    ours = build(images(demo, loaded + mixed))
    wrapped = images(demo, loaded)
    theirs = build(dict(type='MultiImageMixDataset', dataset=wrapped, pipeline=mixed))
    for index in range(len(ours)):
        samples = []
        for dataset in (ours, theirs):
            np.random.seed(index)  # noqa: NPY002 (mmdet's)
            samples.append(dataset[index])
        one, other = samples
        assert (one['inputs'] == other['inputs']).all()
        one, other = (s['data_samples'].gt_instances for s in samples)
        assert (one.bboxes.tensor == other.bboxes.tensor).all()
        assert (one.labels == other.labels).all()
        assert np.array_equal(*(getattr(o.get('masks'), 'masks', 0) for o in (one, other)))


def test_another_image_that_cannot_be_read_is_the_one_that_is_named(demo, tmp_path):
    shutil.copytree(demo, tmp_path / 'demo')
    dataset = build(images(tmp_path / 'demo', LOADED + MIXED))
    broken = dataset.get_data_info(0)['img_path']
    with open(broken, 'r+b') as file:
        file.truncate(200)
    np.random.seed(0)  # noqa: NPY002 (mmdet's)
    with pytest.raises(UserError, match=f'1 of {len(dataset)} images.*{broken}'):
        [dataset[1] for _ in range(10 * len(dataset))]


def test_a_dataset_that_gives_no_other_image_is_named(demo):
    classes = dict(classes=('tomato', 'lemon', 'leaf', 'plum', 'carrot'))
    dataset = build(images(demo, LOADED + MIXED, 'CocoDataset', metainfo=classes))
    with pytest.raises(UserError, match="let the dataset be of type='mmgreen.CocoDataset'"):
        dataset[0]
