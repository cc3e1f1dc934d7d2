"""Masks as polygons: the objects that bitmaps show, whatever is done to the image."""

import numpy as np
import pytest
from helpers import ROOT
from mmengine.dataset import Compose
from pycocotools import mask as coco_mask

from mmgreen.config import load_config
from mmgreen.engine import own_scope

CONFIGS = [
    'mask_rcnn/mask-rcnn_green-swin-tiny-w7_fpn_1x_coco.py',
    'mask_rcnn/mask-rcnn_green-swin-tiny-w7_fpn_amp-ms-crop-3x_coco.py',
    'cascade_mask_rcnn/'
    'cascade-mask-rcnn_green-swin-base-w7_fpn_4conv1fc-giou_amp-ms-crop-3x_coco.py',
]
SQUARE = [40, 30, 400, 30, 400, 300, 40, 300]
SHAPES = [SQUARE], [[300, 100, 620, 470, 30, 420], [500, 20, 600, 20, 600, 90]]


def sample(masks, *kinds):
    """An image with objects, as a dataset gives them."""
    instances = []
    for mask in masks:
        x, y = np.concatenate(mask).reshape(-1, 2).T
        box = [x.min(), y.min(), x.max(), y.max()]
        instances.append(dict(bbox=box, bbox_label=0, ignore_flag=0, mask=mask))
    for kind, instance in zip(kinds, instances, strict=False):
        if kind == 'run lengths':
            instance['mask'] = coco_mask.merge(coco_mask.frPyObjects(instance['mask'], 480, 640))
            instance['mask']['counts'] = instance['mask']['counts'].decode()
    return dict(img=np.zeros((480, 640, 3), np.uint8), img_shape=(480, 640), ori_shape=(480, 640),
                img_path='', img_id=0, instances=instances)  # fmt: skip


def as_bitmaps(step):
    if isinstance(step, dict) and step.get('type') == 'mmgreen.LoadAnnotations':
        return dict(step, type='LoadAnnotations')
    return step


@pytest.mark.parametrize('config', CONFIGS)
def test_the_recipes_polygons_are_the_bitmaps(config):
    cfg = load_config(ROOT / 'configs' / config)
    steps = cfg.train_dataloader.dataset.pipeline[1:]
    with own_scope(cfg):
        ours, theirs = Compose(steps), Compose([as_bitmaps(step) for step in steps])
        assert type(ours.transforms[0]) is not type(theirs.transforms[0])
        for seed in range(6):
            found = []
            for pipeline in (ours, theirs):
                np.random.seed(seed)  # noqa: NPY002 (mmdet's)
                found.append(pipeline(sample(SHAPES))['data_samples'].gt_instances)
            polygons, bitmaps = found
            assert len(polygons) == len(bitmaps)
            np.testing.assert_allclose(polygons.bboxes.tensor, bitmaps.bboxes.tensor)
            shown = polygons.masks.to_ndarray().astype(bool)
            for one, other in zip(shown, bitmaps.masks.to_ndarray().astype(bool), strict=True):
                assert (one & other).sum() > 0.98 * (one | other).sum()
            crops = [
                masks.crop_and_resize(
                    polygons.bboxes.tensor.numpy(), (28, 28), np.arange(len(masks)), 'cpu'
                ).to_ndarray()
                for masks in (polygons.masks, bitmaps.masks)
            ]
            assert np.abs(crops[0] - crops[1].astype(float)).mean() < 0.02


def test_objects_of_run_lengths_are_trained_on_too():
    cfg = load_config(ROOT / 'configs' / CONFIGS[0])
    with own_scope(cfg):
        pipeline = Compose(cfg.train_dataloader.dataset.pipeline[1:])
        found = pipeline(sample(SHAPES, 'polygons', 'run lengths'))['data_samples']
    assert len(found.gt_instances) == 2
    areas = found.gt_instances.masks.areas / (800 / 480) ** 2
    expected = [coco_mask.area(coco_mask.merge(coco_mask.frPyObjects(m, 480, 640))) for m in SHAPES]
    np.testing.assert_allclose(areas, expected, rtol=0.02)


def test_a_polygon_that_is_none_is_ignored():
    cfg = load_config(ROOT / 'configs' / CONFIGS[0])
    with own_scope(cfg):
        pipeline = Compose(cfg.train_dataloader.dataset.pipeline[1:])
        found = pipeline(sample([[SQUARE], [[1, 2, 3, 4]]]))['data_samples']
    assert len(found.gt_instances) == len(found.ignored_instances) == 1
