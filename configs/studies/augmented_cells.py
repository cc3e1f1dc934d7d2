# What else a detector could be shown of few images: cells, 32 of them labelled, as they are; with objects of other images
# pasted into them; smaller and larger; and in other colours. All start from the cells' own pre-training.
_base_ = './nuclei.py'

labels = [32]
_LOADED = [
    dict(type='LoadImageFromFile'),
    dict(type='mmgreen.LoadAnnotations', with_bbox=True, with_mask=True),
]
_CROPPED = [
    dict(type='RandomCrop', crop_size=(256, 256)),
    dict(type='RandomFlip', prob=[0.3, 0.3], direction=['horizontal', 'vertical']),
]
_PACKED = [dict(type='PackDetInputs')]
starts = dict(
    _delete_=True,
    plain={{_base_.starts.nuclei}},
    # In the time of 300 steps with pasting.
    longer=dict(init='plain', detector=dict(steps=330)),
    pasted=dict(
        init='plain',
        detector=dict(
            cfg_options={
                'train_dataloader.dataset.pipeline': [
                    *_LOADED,
                    dict(type='Resize', scale=(512, 512), keep_ratio=True),
                    *_CROPPED,
                    dict(type='mmgreen.CopyPaste', max_num_pasted=20),
                    *_PACKED,
                ]
            }
        ),
    ),
    rescaled=dict(
        init='plain',
        detector=dict(
            cfg_options={
                'train_dataloader.dataset.pipeline': [
                    *_LOADED,
                    dict(
                        type='RandomResize',
                        scale=(512, 512),
                        ratio_range=(0.6, 1.5),
                        keep_ratio=True,
                    ),
                    *_CROPPED,
                    *_PACKED,
                ]
            }
        ),
    ),
    coloured=dict(
        init='plain',
        detector=dict(
            cfg_options={
                'train_dataloader.dataset.pipeline': [
                    *_LOADED,
                    dict(type='Resize', scale=(512, 512), keep_ratio=True),
                    *_CROPPED,
                    dict(type='PhotoMetricDistortion'),
                    *_PACKED,
                ]
            }
        ),
    ),
)
