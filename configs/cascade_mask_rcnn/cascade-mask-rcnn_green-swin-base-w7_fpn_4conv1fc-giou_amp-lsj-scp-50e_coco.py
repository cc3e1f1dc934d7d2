# Large-scale jitter and copy-paste want a longer schedule than the 36 epochs of 3x.
_base_ = [
    './cascade-mask-rcnn_green-swin-base-w7_fpn_4conv1fc-giou_amp-ms-crop-3x_coco.py',
    '../_base_/datasets/lsj_scp_coco_instance.py',
]

train_dataloader = dict(dataset=dict(pipeline={{_base_.lsj_scp_pipeline}}))

max_epochs = 50
train_cfg = dict(max_epochs=max_epochs, val_interval=5)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.001, by_epoch=False, begin=0, end=1000),
    dict(
        type='MultiStepLR', by_epoch=True, begin=0, end=max_epochs, milestones=[44, 48], gamma=0.1
    ),
]
