# Mask R-CNN on a few labelled images of one's own, counted in steps, for a CPU.
# From scratch: --cfg-options model.backbone.init_cfg=None
_base_ = '../quickstart/mask-rcnn_green-swin-nano_fpn_demo.py'

data_root = 'data/own/'
model = dict(
    backbone=dict(
        init_cfg=dict(
            checkpoint='work_dirs/greenmim_swin-nano_b32-4k_own-data/iter_4000.pth',
        )
    ),
    test_cfg=dict(rcnn=dict(max_per_img=100)),
)
scale = (256, 256)
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='mmgreen.LoadAnnotations', with_bbox=True, with_mask=True),
    dict(type='Resize', scale=scale, keep_ratio=True),
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
train_part = dict(
    data_root=data_root,
    ann_file='annotations/instances_train2017.json',
    data_prefix=dict(img='train2017'),
    pipeline=train_pipeline,
)
val_part = dict(
    data_root=data_root,
    ann_file='annotations/instances_val2017.json',
    data_prefix=dict(img='val2017'),
    pipeline=test_pipeline,
)
train_dataloader = dict(
    sampler=dict(_delete_=True, type='InfiniteSampler', shuffle=True), dataset=train_part
)
val_dataloader = dict(dataset=val_part)
test_dataloader = dict(dataset=val_part)
val_evaluator = dict(ann_file=data_root + 'annotations/instances_val2017.json')
test_evaluator = dict(ann_file=data_root + 'annotations/instances_val2017.json')

max_iters = 600
warm_up = 100
train_cfg = dict(
    _delete_=True, type='IterBasedTrainLoop', max_iters=max_iters, val_interval=max_iters
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=warm_up),
    dict(
        type='CosineAnnealingLR',
        by_epoch=False,
        begin=warm_up,
        end=max_iters,
        T_max=max_iters - warm_up,
    ),
]
log_processor = dict(by_epoch=False)
default_hooks = dict(
    logger=dict(interval=10),
    checkpoint=dict(by_epoch=False, interval=200, max_keep_ckpts=1),
)
