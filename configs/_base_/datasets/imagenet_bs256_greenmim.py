# MAE's crops at 224 pixels: 0.2 to 1 of the area (bicubic), and flip.
# Labels are not read: any tree of images under data_root/train will do.
_base_ = 'mmpretrain::_base_/datasets/imagenet_bs512_mae.py'

train_pipeline = [
    dict(type='mmgreen.LoadRandomCrop', scale=224, crop_ratio_range=(0.2, 1.0), flip=0.5),
    dict(type='PackInputs'),
]
train_dataloader = dict(
    batch_size=256,
    dataset=dict(
        _delete_=True,
        type='mmgreen.UnlabelledDataset',
        data_root='data/imagenet/',
        data_prefix='train',
        pipeline=train_pipeline,
    ),
)
