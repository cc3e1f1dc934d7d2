# Mask R-CNN from the quickstart's pre-training, with narrow heads, at 192 pixels.
# From scratch: --cfg-options model.backbone.init_cfg=None
_base_ = [
    '../_base_/models/mask-rcnn_green-swin-nano_fpn.py',
    'mmdet::_base_/datasets/coco_instance.py',
    'mmdet::_base_/schedules/schedule_1x.py',
    'mmdet::_base_/default_runtime.py',
]
model = dict(
    backbone=dict(
        img_size=192,
        init_cfg=dict(type='Pretrained', checkpoint='work_dirs/quickstart/pretrain/epoch_40.pth'),
    )
)

data_root = 'data/demo/'
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='mmgreen.LoadAnnotations', with_bbox=True, with_mask=True),
    dict(type='Resize', scale=(192, 192), keep_ratio=True),
    dict(type='RandomFlip', prob=[0.3, 0.3], direction=['horizontal', 'vertical']),
    dict(type='PackDetInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(192, 192), keep_ratio=True),
    dict(type='LoadAnnotations', with_bbox=True, with_mask=True),
    dict(
        type='PackDetInputs',
        meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'),
    ),
]
val_dataset = dict(
    type='mmgreen.CocoDataset',
    data_root=data_root,
    ann_file='annotations/val.json',
    data_prefix=dict(img='val'),
    pipeline=test_pipeline,
)
train_dataloader = dict(
    batch_size=8,
    num_workers=1,
    dataset=dict(
        type='mmgreen.CocoDataset',
        data_root=data_root,
        ann_file='annotations/train.json',
        data_prefix=dict(img='train'),
        filter_cfg=dict(min_size=8),
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(num_workers=1, dataset=val_dataset)
test_dataloader = dict(num_workers=1, dataset=val_dataset)
val_evaluator = dict(type='mmgreen.CocoMetric', ann_file=data_root + 'annotations/val.json')
test_evaluator = dict(type='mmgreen.CocoMetric', ann_file=data_root + 'annotations/val.json')

# Few labelled images: what this detector is to show is what pre-training is worth then.
max_epochs = 75
train_cfg = dict(max_epochs=max_epochs, val_interval=max_epochs)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=50),
    dict(type='CosineAnnealingLR', T_max=max_epochs, by_epoch=True, convert_to_iter_based=True),
]
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type='AdamW', lr=1e-3, weight_decay=0.05),
    clip_grad=dict(max_norm=10.0),
)
default_hooks = dict(
    logger=dict(interval=10),
    checkpoint=dict(interval=20, max_keep_ckpts=1),
)
randomness = dict(seed=0)
