_base_ = './faster-rcnn_green-swin-tiny-w7_fpn_1x_coco.py'

model = dict(
    backbone=dict(
        arch='small',
        init_cfg=dict(
            checkpoint='work_dirs/greenmim_swin-small-w7_8xb256-amp-coslr-100e_in1k/epoch_100.pth'
        ),
    )
)
