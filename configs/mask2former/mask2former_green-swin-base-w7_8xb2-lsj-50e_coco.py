# mmdet's recipe of Swin-S, as deep as Swin-B, with large-scale jitter at 1024 pixels.
_base_ = 'mmdet::mask2former/mask2former_swin-s-p4-w7-224_8xb2-lsj-50e_coco.py'

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
    panoptic_head=dict(in_channels=[128, 256, 512, 1024]),
)

# Classes are those of the annotation files, and corrupt images are skipped. No panoptic maps.
train_dataloader = dict(
    dataset=dict(type='mmgreen.CocoDataset', data_prefix=dict(_delete_=True, img='train2017/'))
)
val_dataloader = dict(
    dataset=dict(type='mmgreen.CocoDataset', data_prefix=dict(_delete_=True, img='val2017/'))
)
test_dataloader = val_dataloader
val_evaluator = dict(type='mmgreen.CocoMetric')
test_evaluator = dict(type='mmgreen.CocoMetric')
