# MAE's pipeline at 224 pixels: RandomResizedCrop 0.2 to 1 (bicubic) and flip.
# Labels are not read: any tree of images under data_root/train will do.
_base_ = 'mmpretrain::_base_/datasets/imagenet_bs512_mae.py'

train_dataloader = dict(
    batch_size=256,
    dataset=dict(
        _delete_=True,
        type='mmgreen.UnlabelledDataset',
        data_root='data/imagenet/',
        data_prefix='train',
        pipeline={{_base_.train_pipeline}},
    ),
)
