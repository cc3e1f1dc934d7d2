# The pre-training of a CPU whose target is what a net of ImageNet says of the images. Its weights are installed
# with mmgreen.
_base_ = './greenmim_swin-nano_b32-4k_own-data.py'

model = dict(
    head=dict(
        _delete_=True,
        type='mmgreen.TeacherHead',
        # A place of its last but one map is a unit: crops are seen as they are, which takes a quarter of a
        # step. Twice as large, with the last map, they teach more a step and less a minute.
        teacher=dict(model='tf_efficientnet_lite0'),
    )
)
train_dataloader = dict(
    dataset=dict(
        pipeline=[
            # A teacher of photographs knows objects, so that crops show most of one.
            dict(type='mmgreen.LoadRandomCrop', scale=64, crop_ratio_range=(0.2, 1.0), flip=0.5),
            dict(type='PackInputs'),
        ]
    )
)
