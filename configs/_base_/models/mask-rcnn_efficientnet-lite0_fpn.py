# Mask R-CNN for a CPU with a small net that ImageNet's labels trained: four million parameters in all.
# timm downloads the weights; from a file of timm's names: backbone.pretrained_cfg_overlay=dict(file=FILE)
_base_ = './mask-rcnn_green-swin-nano_fpn.py'

model = dict(
    data_preprocessor=dict(mean=[127.5] * 3, std=[127.5] * 3),
    backbone=dict(
        _delete_=True,
        type='mmpretrain.TIMMBackbone',
        model_name='tf_efficientnet_lite0',
        features_only=True,
        pretrained=True,
        out_indices=(1, 2, 3, 4),
    ),
    neck=dict(in_channels=[24, 40, 112, 320]),
)
