_base_ = [
    'mmdet::dino/dino-4scale_r50_8xb2-12e_coco.py',
    '../_base_/backbones/green_swin_w7.py',
]

custom_imports = dict(imports=['mmgreen'])

model = dict(
    backbone={{_base_.green_swin_tiny_from_stride_8}},
    neck=dict(in_channels=[192, 384, 768]),
)

# Classes are those of the annotation files, and corrupt images are skipped.
train_dataloader = dict(dataset=dict(type='mmgreen.CocoDataset'))
val_dataloader = dict(dataset=dict(type='mmgreen.CocoDataset'))
test_dataloader = dict(dataset=dict(type='mmgreen.CocoDataset'))
val_evaluator = dict(type='mmgreen.CocoMetric')
test_evaluator = dict(type='mmgreen.CocoMetric')
