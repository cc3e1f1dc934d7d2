_base_ = './cascade-mask-rcnn_green-swin-base-w7_fpn_4conv1fc-giou_amp-ms-crop-3x_coco.py'

model = dict(
    backbone=dict(
        arch='tiny',
        drop_path_rate=0.2,
        init_cfg=dict(
            checkpoint='work_dirs/greenmim_swin-tiny-w7_8xb256-amp-coslr-100e_in1k/epoch_100.pth'
        ),
    ),
    neck=dict(in_channels=[96, 192, 384, 768]),
)
