# The small Swin of configs/own_data learns the classes of folders of images, from scratch.
_base_ = '../../quickstart/green-swin-nano_imagenette.py'

model = dict(
    backbone=dict(
        arch=dict(embed_dims=32, depths=[2, 2, 4], num_heads=[1, 2, 4]),
        window_size=4,
        img_size=64,
        drop_path_rate=0.05,
        out_indices=(2,),
        init_cfg=None,
    ),
    head=dict(in_channels=128),
)
data_root = 'data/imagenette/'
train_pipeline = [
    dict(type='mmgreen.LoadRandomCrop', scale=64, crop_ratio_range=(0.2, 1.0), flip=0.5),
    dict(type='PackInputs'),
]
train_dataloader = dict(
    dataset=dict(data_root=data_root, pipeline=train_pipeline),
    sampler=dict(_delete_=True, type='InfiniteSampler', shuffle=True),
)
val_dataloader = val_cfg = val_evaluator = None
test_dataloader = test_cfg = test_evaluator = None

max_iters = 3000
warm_up = 150
train_cfg = dict(_delete_=True, type='IterBasedTrainLoop', max_iters=max_iters)
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
log_processor = dict(by_epoch=False)
default_hooks = dict(
    logger=dict(interval=50),
    checkpoint=dict(by_epoch=False, interval=1000, max_keep_ckpts=1),
)
