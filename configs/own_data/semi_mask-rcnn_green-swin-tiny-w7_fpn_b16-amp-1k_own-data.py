# The own-data detector for one GPU that also learns from images without labels, in data/own/unlabelled: eight of
# either kind a step. The first quarter of the run is on labels alone. Not trained yet.
_base_ = [
    './mask-rcnn_green-swin-tiny-w7_fpn_b8-amp-1k_own-data.py',
    '../_base_/datasets/semi_own_data.py',
]

model = dict(
    _delete_=True,
    type='mmgreen.MeanTeacher',
    detector=_base_.model,
    data_preprocessor=dict(
        type='MultiBranchDataPreprocessor', data_preprocessor=_base_.model.data_preprocessor
    ),
)
train_dataloader = _base_.semi_dataloader
train_dataloader.update(batch_size=16, num_workers=8)
train_dataloader.sampler.batch_size = 16
_labelled, _others = train_dataloader.dataset.datasets
_labelled.pipeline[2].scale = _base_.scale
for _view in (_others.pipeline[2].unsup_teacher, _others.pipeline[2].unsup_student):
    _view[0].scale = _base_.scale
val_cfg = dict(type='mmgreen.TeacherStudentValLoop')
custom_hooks = [dict(type='mmgreen.MeanTeacherHook')]
