# Classification of Imagenette by what greenmim_swin-tiny_160px.py has learnt.
_base_ = '../../imagenet/green-swin-base-w7_8xb256-coslr-100e_in1k.py'

model = dict(
    backbone=dict(arch='tiny', img_size=160, init_cfg=None),
    head=dict(in_channels=768, num_classes=10),
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
