# The pre-training of one GPU whose target is what DINOv2 says of the images: timm downloads its weights;
# from a file: --cfg-options model.head.teacher.checkpoint=FILE
_base_ = './greenmim_swin-tiny-w7_b128-amp-10k_own-data.py'

model = dict(
    head=dict(
        _delete_=True,
        type='mmgreen.TeacherHead',
        teacher=dict(model='vit_small_patch14_dinov2'),
    )
)
