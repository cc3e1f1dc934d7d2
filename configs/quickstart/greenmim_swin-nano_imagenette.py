# Pre-training on ten classes of ImageNet, sized for two CPU cores.
_base_ = './greenmim_swin-nano_demo.py'

# A thousand images are soon known by heart: a mask for each of them makes every step new.
model = dict(mask_sharing='sample')

data_root = 'data/imagenette/'
train_dataloader = dict(dataset=dict(data_root=data_root, data_prefix='train'))

optim_wrapper = dict(
    optimizer=dict(lr=1e-3, betas=(0.9, 0.95), weight_decay=0.05), clip_grad=dict(max_norm=1.0)
)
max_epochs = 100
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=100),
    dict(type='CosineAnnealingLR', T_max=max_epochs, by_epoch=True, convert_to_iter_based=True),
]
train_cfg = dict(max_epochs=max_epochs)
default_hooks = dict(checkpoint=dict(interval=20))
custom_hooks = [
    dict(type='mmgreen.ReconstructionHook', images=data_root + 'val'),
    dict(type='mmgreen.FeatureHealthHook', images=data_root + 'val'),
]
