_base_ = './mask-rcnn_green-twins-svt-small_fpn_1x_coco.py'

model = dict(
    backbone=dict(
        arch='base',
        drop_path_rate=0.3,
        init_cfg=dict(
            checkpoint='work_dirs/greenmim_twins-svt-base_8xb256-amp-coslr-100e_in1k/epoch_100.pth'
        ),
    ),
    neck=dict(in_channels=[96, 192, 384, 768]),
)
