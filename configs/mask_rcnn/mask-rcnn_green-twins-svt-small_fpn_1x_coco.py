_base_ = './mask-rcnn_green-swin-tiny-w7_fpn_1x_coco.py'

model = dict(
    backbone=dict(
        _delete_=True,
        type='mmgreen.GreenTwins',
        arch='small',
        qkv_bias=True,
        norm_after_stage=[False, False, False, True],
        drop_path_rate=0.2,
        out_indices=(0, 1, 2, 3),
        init_cfg=dict(
            type='Pretrained',
            checkpoint='work_dirs/greenmim_twins-svt-small_8xb256-amp-coslr-100e_in1k/epoch_100.pth',
        ),
    ),
    neck=dict(in_channels=[64, 128, 256, 512]),
)

optim_wrapper = dict(
    constructor='mmgreen.OptimWrapperConstructor',
    paramwise_cfg=dict(_delete_=True, norm_decay_mult=0.0),
)
