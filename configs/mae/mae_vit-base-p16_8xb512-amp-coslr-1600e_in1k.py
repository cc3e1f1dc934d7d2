_base_ = 'mmpretrain::mae/mae_vit-base-p16_8xb512-amp-coslr-1600e_in1k.py'

custom_imports = dict(imports=['mmgreen'])

# Labels are not read: any tree of images under data_root/train will do.
data_root = 'data/imagenet/'
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='mmgreen.UnlabelledDataset',
        data_root=data_root,
        data_prefix='train',
        pipeline={{_base_.train_pipeline}},
    )
)

resume = False  # --resume says so
