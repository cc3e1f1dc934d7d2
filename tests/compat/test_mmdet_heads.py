"""What is mended in mmdet's heads."""

import torch
from mmdet.models.dense_heads import SSDHead
from mmdet.models.roi_heads.mask_heads import FCNMaskHead
from mmengine.config import ConfigDict


def test_ssd_predicts():
    assert SSDHead.loss_cls is None


def test_masks_of_boxes_beyond_the_image_are_empty():
    head = FCNMaskHead(num_convs=0, num_classes=1, class_agnostic=True)
    inside = torch.tensor([4.0, 2.0, 12.0, 10.0])
    beyond = [[-30.0, 0, -20, 9], [40, 0, 50, 9], [0, -30, 9, -20], [0, 40, 9, 50]]
    boxes = torch.stack([inside, *map(torch.tensor, beyond)])
    masks = head._predict_by_feat_single(
        torch.ones(5, 1, 28, 28),
        boxes,
        torch.zeros(5, dtype=torch.long),
        dict(scale_factor=(1.0, 1.0), ori_shape=(24, 32)),
        ConfigDict(mask_thr_binary=0.5),
        rescale=True,
        activate_map=True,
    )
    assert masks[0, 2:10, 4:12].all()
    assert masks[0].sum() == 64
    assert not masks[1:].any()
