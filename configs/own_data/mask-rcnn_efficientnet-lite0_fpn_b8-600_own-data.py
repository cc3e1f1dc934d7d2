# The own-data detector for a CPU with another start: a small net that ImageNet's labels trained, in
# the place of one's own pre-training. Its weights are installed with mmgreen.
_base_ = './mask-rcnn_green-swin-nano_fpn_b8-600_own-data.py'

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
