# The heads of Swin's own Cascade Mask R-CNN, which ConvNeXt took over.
_base_ = [
    'mmdet::convnext/cascade-mask-rcnn_convnext-t-p4-w7_fpn_4conv1fc-giou_amp-ms-crop-3x_coco.py',
    '../_base_/datasets/ms_crop_pipeline.py',
    '../_base_/backbones/green_swin_w7.py',
]

custom_imports = dict(_delete_=True, imports=['mmgreen'])

model = dict(
    backbone={{_base_.green_swin_base}},
    neck=dict(in_channels=[128, 256, 512, 1024]),
)

# Classes are those of the annotation files, and corrupt images are skipped.
train_dataloader = dict(
    dataset=dict(type='mmgreen.CocoDataset', pipeline={{_base_.ms_crop_pipeline}})
)
val_dataloader = dict(dataset=dict(type='mmgreen.CocoDataset'))
test_dataloader = dict(dataset=dict(type='mmgreen.CocoDataset'))
val_evaluator = dict(type='mmgreen.CocoMetric')
test_evaluator = dict(type='mmgreen.CocoMetric')

# All layers learn at one rate; optim_wrapper.paramwise_cfg.layer_decay_rate=0.9 slows early ones.
optim_wrapper = dict(
    constructor='mmgreen.LayerDecayOptimWrapperConstructor',
    optimizer=dict(lr=1e-4),
    paramwise_cfg=dict(
        _delete_=True,
        layer_decay_rate=1.0,
        custom_keys={
            'absolute_pos_embed': dict(decay_mult=0.0),
            'relative_position_bias_table': dict(decay_mult=0.0),
            'norm': dict(decay_mult=0.0),
        },
    ),
)
