# mmgreen.MeanTeacher beside mmdet's Soft Teacher, and labels alone: Faster R-CNN with EfficientNet-Lite0 on 100 labelled
# photographs and 4,000 others, boxes, in the same time by the pace of each. And what the others would give if all were labelled.
_base_ = './unlabelled.py'

_OWN = 'configs/studies/unlabelled_boxes/'
_options = _base_.starts.both.detector.cfg_options
_minutes = 20
starts = dict(
    _delete_=True,
    labels=dict(detector=dict(cfg_options=_base_.starts.labels.detector.cfg_options)),
    mean_teacher=dict(
        detector=dict(config=_OWN + 'mean-teacher.py', minutes=_minutes, cfg_options=_options)
    ),
    soft_teacher=dict(
        detector=dict(config=_OWN + 'soft-teacher.py', minutes=_minutes, cfg_options=_options)
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
