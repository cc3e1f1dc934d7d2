"""The demo's Mask R-CNN, and batches for it."""

import numpy as np
import torch
from mmdet.structures import DetDataSample
from mmdet.structures.mask import PolygonMasks
from mmengine.structures import InstanceData

from mmgreen.config import load_config
from mmgreen.engine import build_model, own_scope
from mmgreen.engine.runner.complete import complete_model


def mask_rcnn(ours):
    """The model in training, the same each time.

    Args:
        ours: Whether boxes are given to objects and sampled as in a run of this project, and not by mmdet.
    """
    cfg = load_config('configs/quickstart/mask-rcnn_green-swin-nano_fpn_demo.py')
    if ours:
        complete_model(cfg.model)
    torch.manual_seed(0)
    with own_scope(cfg):
        return build_model(cfg).train()


def batch_of(model, objects):
    """Eight images with so many objects each, preprocessed, where the model is."""
    rng, images, samples = np.random.default_rng(objects), [], []
    for _ in range(8):
        corner = rng.uniform(0, 140, (objects, 2))
        boxes = np.concatenate([corner, corner + rng.uniform(10, 50, (objects, 2))], 1)
        outlines = [[np.array([x1, y1, x2, y1, x2, y2, x1, y2])] for x1, y1, x2, y2 in boxes]
        sample = DetDataSample(metainfo=dict(img_shape=(192, 192), ori_shape=(192, 192)))
        sample.gt_instances = InstanceData(
            bboxes=torch.from_numpy(boxes.astype(np.float32)),
            labels=torch.from_numpy(rng.integers(0, 5, objects)),
            masks=PolygonMasks(outlines, 192, 192),
        )
        sample.ignored_instances = InstanceData(
            bboxes=torch.zeros(0, 4), labels=torch.zeros(0, dtype=torch.long)
        )
        images.append(torch.from_numpy(rng.integers(0, 255, (3, 192, 192), dtype=np.uint8)))
        samples.append(sample)
    return model.data_preprocessor(dict(inputs=images, data_samples=samples), training=True)
