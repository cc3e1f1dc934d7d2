# Swin-T, all four stages, on crops of 160 pixels: 10x10 mask units of 16 pixels, half the stride.
_base_ = '../../own_data/greenmim_swin-tiny-w7_b128-amp-10k_own-data.py'

model = dict(unit_size=16)

data_root = 'data/imagenette/'
train_dataloader = dict(
    batch_size=512, repeats=4, dataset=dict(data_root=data_root, data_prefix='train')
)
optim_wrapper = dict(optimizer=dict(lr=8e-4))
default_hooks = dict(checkpoint=dict(interval=10000))
custom_hooks = [
    dict(type='mmgreen.FeatureHealthHook', images=data_root + 'val', interval=1000, by_epoch=False)
]
