_base_ = './green-swin-base-w7_8xb256-coslr-100e_in1k.py'

# At 224 pixels the map of the last stage is 7x7: one window, without shift.
model = dict(
    backbone=dict(
        window_size=14,
        stage_cfgs=[dict(), dict(), dict(), dict(window_size=7)],
        init_cfg=dict(
            checkpoint='work_dirs/greenmim_swin-base-w14_8xb256-amp-coslr-800e_in1k/epoch_800.pth'
        ),
    )
)
