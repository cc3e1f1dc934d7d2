_base_ = [
    '../_base_/models/greenmim_swin-base.py',
    '../_base_/datasets/imagenet_bs256_greenmim.py',
    '../_base_/schedules/greenmim_adamw_coslr-800e.py',
    '../_base_/greenmim_runtime.py',
]

# At 224 pixels the map of the last stage is 7x7: one window, without shift.
model = dict(
    backbone=dict(
        window_size=14,
        stage_cfgs=[dict(), dict(), dict(), dict(window_size=7)],
    )
)
