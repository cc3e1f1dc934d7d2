_base_ = 'mmdet::swin/mask-rcnn_swin-t-p4-w7_fpn_amp-ms-crop-3x_coco.py'

custom_imports = dict(imports=['mmgreen'])

model = dict(
    backbone=dict(
        _delete_=True,
        type='mmgreen.GreenSwinTransformer',
        arch='base',
        window_size=7,
        pad_small_map=True,
        drop_path_rate=0.3,
        out_indices=(0, 1, 2, 3),
        init_cfg=dict(
            type='Pretrained',
            checkpoint='work_dirs/greenmim_swin-base-w7_8xb256-amp-coslr-100e_in1k/epoch_100.pth',
        ),
    ),
    neck=dict(in_channels=[128, 256, 512, 1024]),
)

# Classes are those of the annotation files, and corrupt images are skipped.
train_dataloader = dict(dataset=dict(type='mmgreen.CocoDataset'))
val_dataloader = dict(dataset=dict(type='mmgreen.CocoDataset'))
test_dataloader = dict(dataset=dict(type='mmgreen.CocoDataset'))
