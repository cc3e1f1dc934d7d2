_base_ = './rtmdet-ins_l_green-swin-tiny-w7_4xb32-100e_coco.py'

model = dict(
    backbone=dict(
        arch='base',
        drop_path_rate=0.3,
        init_cfg=dict(
            checkpoint='work_dirs/greenmim_swin-base-w7_8xb256-amp-coslr-100e_in1k/epoch_100.pth'
        ),
    ),
    neck=dict(in_channels=[256, 512, 1024]),
)
