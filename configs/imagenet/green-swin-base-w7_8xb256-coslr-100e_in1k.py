# Fine-tuning at 224 pixels. From SimMIM: optim_wrapper.paramwise_cfg.layer_decay_rate=0.8
_base_ = 'mmpretrain::simmim/benchmarks/swin-base-w7_8xb256-coslr-100e_in1k.py'

custom_imports = dict(imports=['mmgreen'])

model = dict(
    backbone=dict(
        _delete_=True,
        type='mmgreen.GreenSwinTransformer',
        arch='base',
        img_size=224,
        window_size=7,
        drop_path_rate=0.1,
        init_cfg=dict(
            type='Pretrained',
            checkpoint='work_dirs/greenmim_swin-base-w7_8xb256-amp-coslr-100e_in1k/epoch_100.pth',
        ),
    )
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

auto_scale_lr = dict(enable=False, base_batch_size=2048)
