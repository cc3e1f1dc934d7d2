_base_ = './green-swin-base-w14_8xb256-coslr-100e_in1k.py'

model = dict(
    backbone=dict(
        arch='large',
        drop_path_rate=0.2,
        init_cfg=dict(
            checkpoint='work_dirs/greenmim_swin-large-w14_8xb256-amp-coslr-800e_in1k/epoch_800.pth'
        ),
    ),
    head=dict(in_channels=1536),
)

optim_wrapper = dict(paramwise_cfg=dict(layer_decay_rate=0.7))
