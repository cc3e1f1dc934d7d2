_base_ = './dino-4scale_green-swin-tiny-w7_8xb2-12e_coco.py'

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
