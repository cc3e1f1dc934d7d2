"""A small teacher and student, and images of both kinds."""

import copy

import numpy as np
import torch
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks
from mmengine.structures import InstanceData

from mmgreen.config import load_config
from mmgreen.engine import own_scope
from mmgreen.registry import MODELS

SIZE = 64


def flipped(width):
    """A flip's matrix."""
    return np.array([[-1, 0, width], [0, 1, 0], [0, 0, 1]], float)


def teacher_of(kind='mask', **kwargs):
    cfg = load_config('configs/own_data/mask-rcnn_green-swin-nano_fpn_b8-600_own-data.py')
    detector = cfg.model
    detector.backbone.update(
        arch=dict(embed_dims=16, depths=[1, 1, 2], num_heads=[1, 1, 2]), init_cfg=None
    )
    detector.neck.in_channels = [16, 32, 64]
    head = detector.roi_head
    if kind == 'faster':
        detector.type = 'FasterRCNN'
        head.mask_head = head.mask_roi_extractor = None
    if kind == 'cascade':
        detector.type = 'CascadeRCNN'
        head.update(type='CascadeRoIHead', num_stages=2, stage_loss_weights=[1, 0.5])
        head.bbox_head = [dict(head.bbox_head, reg_class_agnostic=True) for _ in range(2)]
        rcnn = detector.train_cfg.rcnn
        detector.train_cfg.rcnn = [rcnn, copy.deepcopy(rcnn)]
    data = dict(
        type='MultiBranchDataPreprocessor',
        data_preprocessor=copy.deepcopy(detector.data_preprocessor),
    )
    with own_scope(cfg):
        model = MODELS.build(
            dict(type='mmgreen.MeanTeacher', detector=detector, data_preprocessor=data) | kwargs
        )
    torch.manual_seed(0)
    for parameter in model.parameters():
        if parameter.dim() > 1:
            torch.nn.init.xavier_uniform_(parameter)
    return model


def sample(matrix=None, instances=None):
    meta = dict(
        img_shape=(SIZE, SIZE), ori_shape=(SIZE, SIZE), scale_factor=(1.0, 1.0), pad_shape=(SIZE, SIZE),
        batch_input_shape=(SIZE, SIZE),
    )  # fmt: skip
    if matrix is not None:
        meta['homography_matrix'] = matrix.astype(np.float32)
    found = DetDataSample(metainfo=meta)
    found.gt_instances = instances or InstanceData(
        bboxes=torch.tensor([[4.0, 4, 30, 30], [20.0, 30, 60, 60]]),
        labels=torch.tensor([0, 2]),
        masks=BitmapMasks(np.ones((2, SIZE, SIZE), np.uint8), SIZE, SIZE),
    )
    return found


def batch(images=2):
    inputs = {
        name: torch.randn(images, 3, SIZE, SIZE)
        for name in ('sup', 'unsup_teacher', 'unsup_student')
    }
    samples = dict(
        sup=[sample() for _ in range(images)],
        unsup_teacher=[sample(np.eye(3)) for _ in range(images)],
        unsup_student=[sample(flipped(SIZE)) for _ in range(images)],
    )
    return inputs, samples
