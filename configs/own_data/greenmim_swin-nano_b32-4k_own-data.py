# GreenMIM with a Swin of three stages on a folder of images of one's own, counted in steps, for a
# CPU: the recipe of the quickstart.
_base_ = '../quickstart/greenmim_swin-nano_demo.py'

data_root = 'data/own/'
train_dataloader = dict(
    sampler=dict(_delete_=True, type='InfiniteSampler', shuffle=True),
    dataset=dict(data_root=data_root),
)

max_iters = 4000
warm_up = 300
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
    checkpoint=dict(by_epoch=False, interval=1000, max_keep_ckpts=1),
)
custom_hooks = [
    dict(
        type='mmgreen.ReconstructionHook', images=data_root + 'val', interval=1000, by_epoch=False
    ),
    dict(type='mmgreen.FeatureHealthHook', images=data_root + 'val', interval=500, by_epoch=False),
]
