_base_ = './mask-rcnn_green-swin-tiny-w7_fpn_1x_coco.py'

# The windows of pre-training at 224 pixels, where the last map is 7x7.
model = dict(
    backbone=dict(
        arch='large',
        window_size=14,
        stage_cfgs=[dict(), dict(), dict(), dict(window_size=7)],
        drop_path_rate=0.3,
        init_cfg=dict(
            checkpoint='work_dirs/greenmim_swin-large-w14_8xb256-amp-coslr-800e_in1k/epoch_800.pth'
        ),
    ),
    neck=dict(in_channels=[192, 384, 768, 1536]),
)
