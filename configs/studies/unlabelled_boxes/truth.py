# What labels of all images would give: half of each step is of the others, with their true boxes
# (boxes_unlabelled.json, all classes as one), as in mean-teacher.py it is with those that the teacher finds.
_base_ = './faster-rcnn_efficientnet-lite0.py'

_part = dict(
    type='mmgreen.CocoDataset',
    data_root=_base_.data_root,
    filter_cfg=dict(min_size=8),
    pipeline=_base_.train_pipeline,
)
train_dataloader = dict(
    sampler=dict(_delete_=True, type='MultiSourceSampler', batch_size=8, source_ratio=[1, 1]),
    batch_sampler=None,
    dataset=dict(
        _delete_=True,
        type='ConcatDataset',
        datasets=[
            dict(
                ann_file='annotations/instances_train2017.json',
                data_prefix=dict(img='train2017'),
                **_part,
            ),
            dict(
                ann_file='annotations/boxes_unlabelled.json',
                data_prefix=dict(img='unlabelled'),
                **_part,
            ),
        ],
    ),
)
