# mmgreen.MeanTeacher beside mmdet's Soft Teacher, and labels alone: Faster R-CNN with EfficientNet-Lite0 on 100 labelled
# photographs and 4,000 others, boxes, in the same time by the pace of each. And what the others would give if all were labelled.
_base_ = './unlabelled.py'

_OWN = 'configs/studies/unlabelled_boxes/'
_options = _base_.starts.both.detector.cfg_options
_minutes = 20
_VIEWS = 'train_dataloader.dataset.datasets.1.pipeline.2'
# Another part of a labelled image each time.
_IN_PARTS = [
    dict(type='LoadImageFromFile'),
    dict(type='mmgreen.LoadAnnotations', with_bbox=True, with_mask=True),
    dict(
        type='RandomCrop',
        crop_size=(0.5, 0.5),
        crop_type='relative_range',
        allow_negative_crop=True,
    ),
    dict(type='Resize', scale=(192, 192), keep_ratio=True),
    dict(type='RandomFlip', prob=[0.3, 0.3], direction=['horizontal', 'vertical']),
]
starts = dict(
    _delete_=True,
    labels=dict(detector=dict(cfg_options=_base_.starts.labels.detector.cfg_options)),
    mean_teacher=dict(
        detector=dict(config=_OWN + 'mean-teacher.py', minutes=_minutes, cfg_options=_options)
    ),
    soft_teacher=dict(
        detector=dict(config=_OWN + 'soft-teacher.py', minutes=_minutes, cfg_options=_options)
    ),
    labels_in_parts=dict(
        detector=dict(
            cfg_options={
                'train_dataloader.dataset.pipeline': [*_IN_PARTS, dict(type='PackDetInputs')]
            }
        )
    ),
    mean_teacher_in_parts=dict(
        detector=dict(
            config=_OWN + 'mean-teacher.py',
            minutes=_minutes,
            cfg_options={
                'train_dataloader.dataset.datasets.0.pipeline': [
                    *_IN_PARTS,
                    dict(
                        type='MultiBranch',
                        branch_field=['sup', 'unsup_teacher', 'unsup_student'],
                        sup=dict(type='PackDetInputs'),
                    ),
                ],
                f'{_VIEWS}.unsup_teacher.0.scale': (192, 192),
                f'{_VIEWS}.unsup_student.0.scale': (192, 192),
            },
        )
    ),
    truth=dict(
        detector=dict(
            config=_OWN + 'truth.py',
            minutes=_minutes,
            cfg_options={
                'train_dataloader.dataset.datasets.0.pipeline.2.scale': (192, 192),
                'train_dataloader.dataset.datasets.1.pipeline.2.scale': (192, 192),
            },
        )
    ),
)
detector = dict(
    _delete_=True,
    config=_OWN + 'faster-rcnn_efficientnet-lite0.py',
    minutes=_minutes,
    cfg_options=_base_.detector.cfg_options,
)
