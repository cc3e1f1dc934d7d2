_base_ = [
    'mmdet::swin/mask-rcnn_swin-t-p4-w7_fpn_amp-ms-crop-3x_coco.py',
    '../_base_/datasets/ms_crop_pipeline.py',
    '../_base_/backbones/green_swin_w7.py',
]

custom_imports = dict(imports=['mmgreen'])

model = dict(backbone={{_base_.green_swin_tiny}})

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
    paramwise_cfg=dict(layer_decay_rate=1.0),
)
