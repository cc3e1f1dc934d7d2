# RTMDet-Ins-l with a Swin instead of its CSPNeXt, trained as mmdet trains RTMDet with Swin-B: group
# norm in neck and head, and 100 epochs.
_base_ = [
    'mmdet::rtmdet/rtmdet-ins_l_8xb32-300e_coco.py',
    '../_base_/backbones/green_swin_w7.py',
]

custom_imports = dict(imports=['mmgreen'])

norm_cfg = dict(type='GN', num_groups=32)
model = dict(
    data_preprocessor=dict(
        _delete_=True,
        type='DetDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
    ),
    backbone={{_base_.green_swin_tiny_from_stride_8}},
    neck=dict(in_channels=[192, 384, 768], norm_cfg=norm_cfg),
    bbox_head=dict(norm_cfg=norm_cfg),
)

# Classes are those of the annotation files, and corrupt images are skipped.
train_dataloader = dict(dataset=dict(type='mmgreen.CocoDataset'))
val_dataloader = dict(dataset=dict(type='mmgreen.CocoDataset'))
test_dataloader = dict(dataset=dict(type='mmgreen.CocoDataset'))
val_evaluator = dict(
    _delete_=True,
    type='mmgreen.CocoMetric',
    ann_file='data/coco/annotations/instances_val2017.json',
    metric=['bbox', 'segm'],
)
test_evaluator = val_evaluator

max_epochs, last_epochs, lr = 100, 10, 1e-3
train_cfg = dict(max_epochs=max_epochs, dynamic_intervals=[(max_epochs - last_epochs, 1)])
optim_wrapper = dict(optimizer=dict(lr=lr))
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-5, by_epoch=False, begin=0, end=1000),
    dict(
        type='CosineAnnealingLR',
        eta_min=0.05 * lr,
        begin=max_epochs // 2,
        end=max_epochs,
        T_max=max_epochs // 2,
        by_epoch=True,
        convert_to_iter_based=True,
    ),
]
custom_hooks = [
    dict(
        type='EMAHook',
        ema_type='ExpMomentumEMA',
        momentum=0.0002,
        update_buffers=True,
        priority=49,
    ),
    # The last epochs without mosaics.
    dict(
        type='PipelineSwitchHook',
        switch_epoch=max_epochs - last_epochs,
        switch_pipeline={{_base_.train_pipeline_stage2}},
    ),
]
auto_scale_lr = dict(base_batch_size=128)
