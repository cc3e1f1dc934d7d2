# Mask R-CNN on small objects: images at twice the scale, trained on in crops.
# From scratch: --cfg-options model.backbone.init_cfg=None
_base_ = './mask-rcnn_green-swin-nano_fpn_b8-600_own-data.py'

model = dict(
    backbone=dict(
        init_cfg=dict(
            checkpoint='work_dirs/greenmim_swin-nano_unit8_b32-4k_small-objects/iter_4000.pth',
        )
    )
)
scale = (512, 512)
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='mmgreen.LoadAnnotations', with_bbox=True, with_mask=True),
    dict(type='Resize', scale=scale, keep_ratio=True),
    dict(type='RandomCrop', crop_size=(256, 256)),
    dict(type='RandomFlip', prob=[0.3, 0.3], direction=['horizontal', 'vertical']),
    dict(type='PackDetInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=scale, keep_ratio=True),
    dict(type='LoadAnnotations', with_bbox=True, with_mask=True),
    dict(
        type='PackDetInputs',
        meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'),
    ),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
