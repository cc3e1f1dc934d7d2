# Is it worth anything to paste objects of one photograph into another? 64 and 250 labelled ones of VOC, all classes as
# one, as they are and so, from EfficientNet-Lite0 of ImageNet.
_base_ = './unlabelled.py'

_LABELS = {{_base_.starts.labels.detector.cfg_options}}

labels = [64, 250]
starts = dict(
    _delete_=True,
    plain=dict(detector=dict(cfg_options=_LABELS)),
    pasted=dict(
        detector=dict(
            cfg_options={
                'train_dataloader.dataset.pipeline': [
                    dict(type='LoadImageFromFile'),
                    dict(type='mmgreen.LoadAnnotations', with_bbox=True, with_mask=True),
                    dict(type='Resize', scale=(192, 192), keep_ratio=True),
                    dict(type='RandomFlip', prob=[0.3, 0.3], direction=['horizontal', 'vertical']),
                    dict(type='mmgreen.CopyPaste'),
                    dict(type='PackDetInputs'),
                ],
            }
        )
    ),
)
detector = dict(steps=400)
