# Three stages of Swin-T on crops of 112 pixels: 7x7 mask units of 16 pixels, the net's stride.
_base_ = '../../own_data/greenmim_swin-tiny-w7_b128-amp-10k_own-data.py'

model = dict(
    unit_size=16,
    backbone=dict(
        _delete_=True,
        type='mmgreen.GreenSwinTransformer',
        arch=dict(embed_dims=96, depths=[2, 2, 6], num_heads=[3, 6, 12]),
        img_size=112,
        window_size=7,
        drop_path_rate=0.0,
        out_indices=(2,),
    ),
    neck=dict(embed_dim=384, decoder_embed_dim=256, decoder_num_heads=8),
)

data_root = 'data/imagenette/'
train_dataloader = dict(
    batch_size=1024,
    repeats=8,
    dataset=dict(
        data_root=data_root,
        data_prefix='train',
        pipeline=[
            dict(type='mmgreen.LoadRandomCrop', scale=112, crop_ratio_range=(0.2, 1.0), flip=0.5),
            dict(type='PackInputs'),
        ],
    ),
)
optim_wrapper = dict(optimizer=dict(lr=1e-3))

max_iters = 2420
warm_up = 242
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
train_cfg = dict(max_iters=max_iters)

default_hooks = dict(checkpoint=dict(interval=500))
custom_hooks = [
    dict(type='mmgreen.FeatureHealthHook', images=data_root + 'val', interval=1000, by_epoch=False)
]
