# AdamW, 1.5e-4 for every 256 images, cosine with 40 epochs of warm-up.
optim_wrapper = dict(
    type='AmpOptimWrapper',
    loss_scale='dynamic',
    optimizer=dict(
        type='AdamW',
        lr=1.5e-4 * 2048 / 256,
        betas=(0.9, 0.95),
        weight_decay=0.05,
    ),
    paramwise_cfg=dict(
        custom_keys={
            'norm': dict(decay_mult=0.0),
            'ln': dict(decay_mult=0.0),  # norms of the decoder's blocks
            'bias': dict(decay_mult=0.0),  # relative position bias included
            'mask_token': dict(decay_mult=0.0),
            'stand_ins': dict(decay_mult=0.0),  # of missing tokens
        }
    ),
)

warm_up = dict(
    type='LinearLR', start_factor=1e-4, by_epoch=True, begin=0, end=40, convert_to_iter_based=True
)
param_scheduler = [
    warm_up,
    dict(
        type='CosineAnnealingLR',
        T_max=60,
        by_epoch=True,
        begin=40,
        end=100,
        convert_to_iter_based=True,
    ),
]

train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=100)

auto_scale_lr = dict(enable=False, base_batch_size=2048)
