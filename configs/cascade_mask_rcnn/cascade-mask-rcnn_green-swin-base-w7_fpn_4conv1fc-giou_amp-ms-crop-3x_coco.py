# The heads of Swin's own Cascade Mask R-CNN, which ConvNeXt took over.
_base_ = [
    'mmdet::convnext/cascade-mask-rcnn_convnext-t-p4-w7_fpn_4conv1fc-giou_amp-ms-crop-3x_coco.py',
    '../_base_/datasets/ms_crop_pipeline.py',
]

custom_imports = dict(_delete_=True, imports=['mmgreen'])

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
