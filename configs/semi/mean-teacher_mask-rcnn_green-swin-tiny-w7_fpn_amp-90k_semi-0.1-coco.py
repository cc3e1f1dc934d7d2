# Mask R-CNN on a tenth of COCO's labels and on the other nine tenths without: mmdet's splits and views of
# Soft Teacher, with masks. Not trained yet: it needs eight GPUs.
_base_ = '../mask_rcnn/mask-rcnn_green-swin-tiny-w7_fpn_1x_coco.py'

model = dict(
    _delete_=True,
    type='mmgreen.MeanTeacher',
    detector=_base_.model,
    data_preprocessor=dict(
        type='MultiBranchDataPreprocessor', data_preprocessor=_base_.model.data_preprocessor
    ),
    # As in Soft Teacher, whose batches have four such images for each labelled one.
    unsup_weight=4.0,
)

data_root = 'data/coco/'
scale = [(1333, 400), (1333, 1200)]
branches = ['sup', 'unsup_teacher', 'unsup_student']
geometry = ('img_path', 'ori_shape', 'img_shape', 'scale_factor', 'homography_matrix')
colours = [
    [dict(type=name)]
    for name in ('ColorTransform', 'AutoContrast', 'Equalize', 'Sharpness', 'Posterize', 'Solarize')
    + ('Color', 'Contrast', 'Brightness')
]
resized = dict(type='RandomResize', scale=scale, keep_ratio=True)
flipped = dict(type='RandomFlip', prob=0.5)
coloured = dict(type='RandAugment', aug_space=colours, aug_num=1)
labelled_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='mmgreen.LoadAnnotations', with_bbox=True, with_mask=True),
    resized,
    flipped,
    coloured,
    dict(type='FilterAnnotations', min_gt_bbox_wh=(1e-2, 1e-2)),
    dict(type='MultiBranch', branch_field=branches, sup=dict(type='PackDetInputs')),
]
weak = [resized, flipped, dict(type='PackDetInputs', meta_keys=geometry)]
strong = [
    resized,
    flipped,
    coloured,
    dict(type='RandomErasing', n_patches=(1, 5), ratio=(0, 0.2)),
    dict(type='PackDetInputs', meta_keys=geometry),
]
unlabelled_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadEmptyAnnotations'),
    dict(type='MultiBranch', branch_field=branches, unsup_teacher=weak, unsup_student=strong),
]
labelled = dict(
    type='mmgreen.CocoDataset',
    data_root=data_root,
    ann_file='semi_anns/instances_train2017.1@10.json',
    data_prefix=dict(img='train2017/'),
    filter_cfg=dict(filter_empty_gt=True, min_size=32),
    pipeline=labelled_pipeline,
)
unlabelled = dict(
    type='mmgreen.CocoDataset',
    data_root=data_root,
    ann_file='semi_anns/instances_train2017.1@10-unlabeled.json',
    data_prefix=dict(img='train2017/'),
    filter_cfg=dict(filter_empty_gt=False),
    pipeline=unlabelled_pipeline,
)
train_dataloader = dict(
    batch_size=5,
    num_workers=5,
    batch_sampler=None,
    sampler=dict(_delete_=True, type='GroupMultiSourceSampler', batch_size=5, source_ratio=[1, 4]),
    dataset=dict(_delete_=True, type='ConcatDataset', datasets=[labelled, unlabelled]),
)

max_iters = 90_000
train_cfg = dict(_delete_=True, type='IterBasedTrainLoop', max_iters=max_iters, val_interval=10_000)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.001, by_epoch=False, begin=0, end=1000),
    dict(type='MultiStepLR', by_epoch=False, milestones=[60_000, 80_000], gamma=0.1),
]
optim_wrapper = dict(type='AmpOptimWrapper', loss_scale='dynamic')
default_hooks = dict(checkpoint=dict(by_epoch=False, interval=10_000, max_keep_ckpts=2))
log_processor = dict(by_epoch=False)
val_cfg = dict(type='mmgreen.TeacherStudentValLoop')
custom_hooks = [dict(type='mmgreen.MeanTeacherHook', burn_in=5000, warm_up=5000, momentum=0.001)]
auto_scale_lr = dict(base_batch_size=40)
