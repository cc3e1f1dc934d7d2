# The own-data detector for a CPU that also learns from images without labels: in data/own/unlabelled,
# as those of its pre-training. A quarter of the run is on labels alone.
_base_ = './mask-rcnn_green-swin-nano_fpn_b8-600_own-data.py'

data_root = 'data/own/'
scale = (256, 256)
model = dict(
    _delete_=True,
    type='mmgreen.MeanTeacher',
    detector={{_base_.model}},
    data_preprocessor=dict(
        type='MultiBranchDataPreprocessor', data_preprocessor={{_base_.model.data_preprocessor}}
    ),
)
branches = ['sup', 'unsup_teacher', 'unsup_student']
geometry = ('img_path', 'ori_shape', 'img_shape', 'scale_factor', 'homography_matrix')
labelled_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='mmgreen.LoadAnnotations', with_bbox=True, with_mask=True),
    dict(type='Resize', scale=scale, keep_ratio=True),
    dict(type='RandomFlip', prob=[0.3, 0.3], direction=['horizontal', 'vertical']),
    dict(type='MultiBranch', branch_field=branches, sup=dict(type='PackDetInputs')),
]
weak = [
    dict(type='Resize', scale=scale, keep_ratio=True),
    dict(type='RandomFlip', prob=[0.3, 0.3], direction=['horizontal', 'vertical']),
    dict(type='PackDetInputs', meta_keys=geometry),
]
strong = [
    dict(type='RandomResize', scale=scale, ratio_range=(0.6, 1.2), keep_ratio=True),
    dict(type='RandomFlip', prob=[0.3, 0.3], direction=['horizontal', 'vertical']),
    dict(
        type='RandAugment',
        aug_num=1,
        aug_space=[
            [dict(type=name)]
            for name in ('AutoContrast', 'Equalize', 'Sharpness', 'Posterize', 'Solarize')
            + ('Color', 'Contrast', 'Brightness')
        ],
    ),
    dict(type='RandomErasing', n_patches=(1, 5), ratio=(0, 0.2)),
    dict(type='PackDetInputs', meta_keys=geometry),
]
unlabelled_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadEmptyAnnotations'),
    dict(type='MultiBranch', branch_field=branches, unsup_teacher=weak, unsup_student=strong),
]
train_dataloader = dict(
    # Four of either kind: as many images learnt from as by the detector on labels alone.
    sampler=dict(_delete_=True, type='MultiSourceSampler', batch_size=8, source_ratio=[1, 1]),
    batch_sampler=None,
    dataset=dict(
        _delete_=True,
        type='ConcatDataset',
        ignore_keys=['classes', 'palette', 'dataset_type', 'task_name'],
        datasets=[
            dict(
                type='mmgreen.CocoDataset',
                data_root=data_root,
                ann_file='annotations/instances_train2017.json',
                data_prefix=dict(img='train2017'),
                filter_cfg=dict(min_size=8),
                pipeline=labelled_pipeline,
            ),
            dict(
                type='mmgreen.UnlabelledDataset',
                data_root=data_root,
                data_prefix='unlabelled',
                pipeline=unlabelled_pipeline,
            ),
        ],
    ),
)
custom_hooks = [dict(type='mmgreen.MeanTeacherHook')]
