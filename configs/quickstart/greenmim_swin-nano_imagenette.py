# Pre-training on ten classes of ImageNet, sized for two CPU cores.
_base_ = [
    '../_base_/models/greenmim_swin-base.py',
    '../_base_/datasets/imagenet_bs256_greenmim.py',
    '../_base_/schedules/greenmim_adamw_coslr-100e.py',
    '../_base_/greenmim_runtime.py',
]

model = dict(
    # A thousand images are soon remembered: a mask for each of them makes every step new.
    mask_sharing='sample',
    backbone=dict(
        _delete_=True,
        type='mmgreen.GreenSwinTransformer',
        arch=dict(embed_dims=32, depths=[2, 2, 4, 2], num_heads=[1, 2, 4, 8]),
        img_size=192,
        window_size=6,
        drop_path_rate=0.0,
    ),
    neck=dict(embed_dim=256, decoder_embed_dim=128, decoder_num_heads=4),
)

data_root = 'data/imagenette/'
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(
        type='RandomResizedCrop',
        scale=192,
        crop_ratio_range=(0.4, 1.0),
        backend='pillow',
        interpolation='bicubic',
    ),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackInputs'),
]
train_dataloader = dict(
    batch_size=32,
    num_workers=1,
    drop_last=True,
    dataset=dict(data_root=data_root, pipeline=train_pipeline),
)

max_epochs = 100
optim_wrapper = dict(
    _delete_=True,
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=1e-3, betas=(0.9, 0.95), weight_decay=0.05),
    clip_grad=dict(max_norm=1.0),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=100),
    dict(type='CosineAnnealingLR', T_max=max_epochs, by_epoch=True, convert_to_iter_based=True),
]
train_cfg = dict(max_epochs=max_epochs)

default_hooks = dict(logger=dict(interval=25), checkpoint=dict(interval=20, max_keep_ckpts=1))
custom_hooks = [
    dict(type='mmgreen.ReconstructionHook', images=data_root + 'val'),
    dict(type='mmgreen.FeatureHealthHook', images=data_root + 'val'),
]
auto_scale_lr = dict(base_batch_size=32)
