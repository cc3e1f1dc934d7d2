_base_ = 'mmpretrain::simmim/simmim_swin-base-w6_16xb128-amp-coslr-800e_in1k-192px.py'

custom_imports = dict(imports=['mmgreen'])

# Labels are not read: any tree of images under data_root/train will do.
data_root = 'data/imagenet/'
train_dataloader = dict(
    batch_size=128,  # as the name says; the file of mmpretrain has 256
    dataset=dict(
        _delete_=True,
        type='mmgreen.UnlabelledDataset',
        data_root=data_root,
        data_prefix='train',
        pipeline={{_base_.train_pipeline}},
    ),
)

optim_wrapper = dict(paramwise_cfg=dict(custom_keys=dict(mask_token=dict(decay_mult=0.0))))
