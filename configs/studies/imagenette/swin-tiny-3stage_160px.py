# Classification of Imagenette, whole images of 160 pixels, by what pre-training has learnt here.
_base_ = '../../imagenet/green-swin-base-w7_8xb256-coslr-100e_in1k.py'

model = dict(
    backbone=dict(
        _delete_=True,
        type='mmgreen.GreenSwinTransformer',
        arch=dict(embed_dims=96, depths=[2, 2, 6], num_heads=[3, 6, 12]),
        img_size=112,
        window_size=7,
        out_indices=(2,),
    ),
    head=dict(in_channels=384, num_classes=10),
)

data_root = 'data/imagenette/'
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='ResizeEdge', scale=160, edge='short', backend='pillow', interpolation='bicubic'),
    dict(type='CenterCrop', crop_size=160),
    dict(type='PackInputs'),
]
train_dataloader = dict(batch_size=64, num_workers=4, dataset=dict(data_root=data_root))
val_dataloader = dict(
    batch_size=100,
    num_workers=4,
    dataset=dict(data_root=data_root, data_prefix='val', pipeline=test_pipeline),
)
test_dataloader = val_dataloader
