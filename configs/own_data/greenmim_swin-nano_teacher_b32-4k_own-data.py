# The pre-training of a CPU whose target is what a net of ImageNet says of the images: timm downloads
# its weights; from a file: --cfg-options model.head.teacher.checkpoint=FILE
_base_ = './greenmim_swin-nano_b32-4k_own-data.py'

model = dict(
    head=dict(
        _delete_=True,
        type='mmgreen.TeacherHead',
        # A place of this map has 16 pixels, as a unit: the crops are seen as they are, in a quarter of a
        # step's time.
        teacher=dict(model='tf_efficientnet_lite0', depths=(3,), enlarge=1.0, norm='channel'),
        visible=True,
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
