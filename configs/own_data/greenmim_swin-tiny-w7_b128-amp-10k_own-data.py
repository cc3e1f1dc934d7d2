# GreenMIM with Swin-T on a folder of images of one's own, counted in steps, for one GPU.
_base_ = [
    '../_base_/models/greenmim_swin-base.py',
    '../_base_/datasets/imagenet_bs256_greenmim.py',
    '../_base_/schedules/greenmim_adamw_coslr-100e.py',
    '../_base_/greenmim_runtime.py',
]

model = dict(
    mask_sharing='sample',
    backbone=dict(arch='tiny', img_size=160, pad_small_map=True),
    neck=dict(embed_dim=768),
    init_cfg=None,
)

data_root = 'data/own/'
train_pipeline = [
    dict(type='mmgreen.LoadRandomCrop', scale=160, crop_ratio_range=(0.2, 1.0), flip=0.5),
    dict(type='PackInputs'),
]
train_dataloader = dict(
    batch_size=128,
    num_workers=4,
    drop_last=True,
    sampler=dict(_delete_=True, type='InfiniteSampler', shuffle=True),
    dataset=dict(data_root=data_root, data_prefix='unlabelled', pipeline=train_pipeline),
)

max_iters = 10000
warm_up = 500
optim_wrapper = dict(optimizer=dict(lr=4e-4), clip_grad=dict(max_norm=1.0))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=warm_up),
    dict(
        type='CosineAnnealingLR',
        by_epoch=False,
        begin=warm_up,
        end=max_iters,
        T_max=max_iters - warm_up,
    ),
]
train_cfg = dict(_delete_=True, type='IterBasedTrainLoop', max_iters=max_iters)

log_processor = dict(by_epoch=False)
default_hooks = dict(
    logger=dict(interval=50),
    checkpoint=dict(by_epoch=False, interval=2000, max_keep_ckpts=1),
)
custom_hooks = [
    dict(
        type='mmgreen.ReconstructionHook', images=data_root + 'val', interval=2000, by_epoch=False
    ),
    dict(type='mmgreen.FeatureHealthHook', images=data_root + 'val', interval=1000, by_epoch=False),
]
auto_scale_lr = dict(base_batch_size=128)
