_base_ = './green-swin-base-w14_8xb256-coslr-100e_in1k.py'

model = dict(
    backbone=dict(
        arch='large',
        drop_path_rate=0.3,
        init_cfg=dict(
            checkpoint='work_dirs/greenmim_swin-large-w14_8xb256-amp-coslr-800e_in1k/epoch_800.pth'
        ),
    ),
    head=dict(in_channels=1536),
)

# The authors' rates for 512 images: 1e-3, from 2e-7 in warm-up, down to 3.5e-7.
optim_wrapper = dict(optimizer=dict(lr=1e-3 * 2048 / 512), paramwise_cfg=dict(layer_decay_rate=0.8))
param_scheduler = [
    dict(
        type='LinearLR',
        start_factor=2e-7 / 1e-3,
        by_epoch=True,
        begin=0,
        end=20,
        convert_to_iter_based=True,
    ),
    dict(
        type='CosineAnnealingLR',
        T_max=80,
        eta_min=3.5e-7 * 2048 / 512,
        by_epoch=True,
        begin=20,
        end=100,
        convert_to_iter_based=True,
    ),
]
