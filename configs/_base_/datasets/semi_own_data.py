# Labelled images and others for mmgreen.MeanTeacher, four of either kind a step: as many as a detector
# learns from on labels alone. The teacher sees an image as a test does, flipped or not; the student
# smaller or larger, in other colours, with parts of it erased.
_scale = (256, 256)
_branches = ['sup', 'unsup_teacher', 'unsup_student']
_geometry = ('img_path', 'ori_shape', 'img_shape', 'scale_factor', 'homography_matrix')
_colours = ['AutoContrast', 'Equalize', 'Sharpness', 'Posterize', 'Solarize', 'Color', 'Contrast']
labelled_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='mmgreen.LoadAnnotations', with_bbox=True, with_mask=True),
    dict(type='Resize', scale=_scale, keep_ratio=True),
    dict(type='RandomFlip', prob=[0.3, 0.3], direction=['horizontal', 'vertical']),
    dict(type='MultiBranch', branch_field=_branches, sup=dict(type='PackDetInputs')),
]
weak = [
    dict(type='Resize', scale=_scale, keep_ratio=True),
    dict(type='RandomFlip', prob=[0.3, 0.3], direction=['horizontal', 'vertical']),
    dict(type='PackDetInputs', meta_keys=_geometry),
]
strong = [
    dict(type='RandomResize', scale=_scale, ratio_range=(0.6, 1.2), keep_ratio=True),
    dict(type='RandomFlip', prob=[0.3, 0.3], direction=['horizontal', 'vertical']),
    dict(
        type='RandAugment',
        aug_num=1,
        aug_space=[[dict(type=name)] for name in _colours + ['Brightness']],
    ),
    dict(type='RandomErasing', n_patches=(1, 5), ratio=(0, 0.2)),
    dict(type='PackDetInputs', meta_keys=_geometry),
]
unlabelled_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadEmptyAnnotations'),
    dict(type='MultiBranch', branch_field=_branches, unsup_teacher=weak, unsup_student=strong),
]
semi_dataloader = dict(
    batch_size=8,  # and so of the sampler
    sampler=dict(_delete_=True, type='MultiSourceSampler', batch_size=8, source_ratio=[1, 1]),
    batch_sampler=None,
    dataset=dict(
        _delete_=True,
        type='ConcatDataset',
        ignore_keys=['classes', 'palette', 'dataset_type', 'task_name'],
        datasets=[
            dict(
                type='mmgreen.CocoDataset',
                data_root='data/own/',
                ann_file='annotations/instances_train2017.json',
                data_prefix=dict(img='train2017'),
                filter_cfg=dict(min_size=8),
                pipeline=labelled_pipeline,
            ),
            dict(
                type='mmgreen.UnlabelledDataset',
                data_root='data/own/',
                data_prefix='unlabelled',
                pipeline=unlabelled_pipeline,
            ),
        ],
    ),
)
