# A Swin of three stages on crops of the demo dataset, sized for two CPU cores.
#
# Small crops and units of 16 pixels make a step cheap, and what pre-training wants is steps: some
# hundred teach a net the colour of an image and no more.
_base_ = [
    '../_base_/models/greenmim_swin-base.py',
    '../_base_/datasets/imagenet_bs256_greenmim.py',
    '../_base_/schedules/greenmim_adamw_coslr-100e.py',
    '../_base_/greenmim_runtime.py',
]

model = dict(
    unit_size=16,
    mask_sharing='sample',
    backbone=dict(
        _delete_=True,
        type='mmgreen.GreenSwinTransformer',
        arch=dict(embed_dims=32, depths=[2, 2, 4], num_heads=[1, 2, 4]),
        img_size=192,  # of what is drawn and measured; trained on are crops
        window_size=4,
        drop_path_rate=0.0,
        out_indices=(2,),
    ),
    neck=dict(embed_dim=128, decoder_embed_dim=128, decoder_num_heads=4),
    # A deviation of 0.02 is several times smaller than what so few channels want; PyTorch's
    # own initialisation follows the width.
    init_cfg=None,
)

data_root = 'data/demo/'
train_pipeline = [
    dict(type='LoadImageFromFile'),
    # A ninth of the area has as many pixels: objects stay as large as the detector will see them.
    dict(
        type='RandomResizedCrop',
        scale=64,
        crop_ratio_range=(0.08, 0.16),
        backend='pillow',
        interpolation='bicubic',
    ),
    dict(type='RandomFlip', prob=[0.25, 0.25], direction=['horizontal', 'vertical']),
    dict(type='PackInputs'),
]
train_dataloader = dict(
    batch_size=32,
    num_workers=1,
    drop_last=True,
    dataset=dict(data_root=data_root, data_prefix='unlabelled', pipeline=train_pipeline),
)

max_epochs = 40
optim_wrapper = dict(
    _delete_=True,
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=1e-3, betas=(0.9, 0.95), weight_decay=0.05),
    paramwise_cfg={{_base_.optim_wrapper.paramwise_cfg}},
    clip_grad=dict(max_norm=1.0),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=300),
    dict(type='CosineAnnealingLR', T_max=max_epochs, by_epoch=True, convert_to_iter_based=True),
]
train_cfg = dict(max_epochs=max_epochs)

default_hooks = dict(
    logger=dict(interval=25),
    checkpoint=dict(interval=20, max_keep_ckpts=1),
)
custom_hooks = [
    dict(type='mmgreen.ReconstructionHook', images=data_root + 'val', interval=20),
    dict(type='mmgreen.FeatureHealthHook', images=data_root + 'val', interval=10),
]
auto_scale_lr = dict(base_batch_size=32)
