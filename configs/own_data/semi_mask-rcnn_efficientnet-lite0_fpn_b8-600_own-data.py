# The detector with a small net of ImageNet that also learns from images without labels, in data/own/unlabelled.
# The first quarter of the run is on labels alone.
_base_ = [
    './mask-rcnn_efficientnet-lite0_fpn_b8-600_own-data.py',
    '../_base_/datasets/semi_own_data.py',
]

model = dict(
    _delete_=True,
    type='mmgreen.MeanTeacher',
    detector={{_base_.model}},
    data_preprocessor=dict(
        type='MultiBranchDataPreprocessor', data_preprocessor={{_base_.model.data_preprocessor}}
    ),
)
train_dataloader = {{_base_.semi_dataloader}}
val_cfg = dict(type='mmgreen.TeacherStudentValLoop')
custom_hooks = [dict(type='mmgreen.MeanTeacherHook')]
