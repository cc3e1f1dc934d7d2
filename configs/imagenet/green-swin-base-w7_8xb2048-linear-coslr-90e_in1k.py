# Linear probing by MAE's protocol: the backbone is frozen, and a classifier is trained
# with LARS on its averaged and normalised features.
_base_ = 'mmpretrain::mae/benchmarks/vit-base-p16_8xb2048-linear-coslr-90e_in1k.py'

custom_imports = dict(imports=['mmgreen'])

model = dict(
    backbone=dict(
        _delete_=True,
        type='mmgreen.GreenSwinTransformer',
        arch='base',
        img_size=224,
        window_size=7,
        drop_path_rate=0.0,
        frozen_stages=3,  # all four, from 0, and the norm after the last
        init_cfg=dict(
            type='Pretrained',
            checkpoint='work_dirs/greenmim_swin-base-w7_8xb256-amp-coslr-100e_in1k/epoch_100.pth',
        ),
    ),
    neck=[
        dict(type='GlobalAveragePooling'),
        dict(type='ClsBatchNormNeck', input_features=1024),
    ],
    head=dict(_delete_=True, type='LinearClsHead', num_classes=1000, in_channels=1024),
)

# One folder a class below train/ and val/, whose names and number are the classes.
data_root = 'data/imagenet/'
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='mmgreen.LabelledDataset',
        data_root=data_root,
        data_prefix='train',
        pipeline={{_base_.train_pipeline}},
    )
)
val_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='mmgreen.LabelledDataset',
        data_root=data_root,
        data_prefix='val',
        pipeline={{_base_.test_pipeline}},
    )
)
test_dataloader = val_dataloader

auto_scale_lr = dict(enable=False, base_batch_size=16384)
