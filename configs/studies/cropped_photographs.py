# Is another part of a photograph worth anything each time it is seen? 100 labelled ones of VOC, all classes as one, whole
# and so, from EfficientNet-Lite0 of ImageNet, in as many steps.
_base_ = './unlabelled.py'

_LOADED = [
    dict(type='LoadImageFromFile'),
    dict(type='mmgreen.LoadAnnotations', with_bbox=True, with_mask=True),
]
_SHOWN = [
    dict(type='Resize', scale=(192, 192), keep_ratio=True),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='PackDetInputs'),
]
_PART = dict(
    type='RandomCrop',
    crop_size=(0.5, 0.5),
    crop_type='relative_range',
    allow_negative_crop=True,
)
starts = dict(
    _delete_=True,
    whole=dict(
        detector=dict(cfg_options={'train_dataloader.dataset.pipeline': [*_LOADED, *_SHOWN]})
    ),
    parts=dict(
        detector=dict(cfg_options={'train_dataloader.dataset.pipeline': [*_LOADED, _PART, *_SHOWN]})
    ),
)
detector = dict(steps=600)
