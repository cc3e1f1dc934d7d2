# mmdet's Soft Teacher on the same net, images and views, with its own thresholds and weights; its teacher moves as
# fast as that of mean-teacher.py, since in a thousand steps mmdet's own momentum would leave it where it began.
_base_ = './mean-teacher.py'

model = dict(
    _delete_=True,
    type='SoftTeacher',
    detector=_base_.model.detector,
    data_preprocessor=_base_.model.data_preprocessor,
    semi_train_cfg=dict(
        freeze_teacher=True,
        sup_weight=1.0,
        unsup_weight=4.0,
        pseudo_label_initial_score_thr=0.5,
        rpn_pseudo_thr=0.9,
        cls_pseudo_thr=0.9,
        reg_pseudo_thr=0.02,
        jitter_times=10,
        jitter_scale=0.06,
        min_pseudo_bbox_wh=(1e-2, 1e-2),
    ),
    semi_test_cfg=dict(predict_on='teacher'),
)
val_cfg = dict(type='ValLoop')
custom_hooks = [dict(type='mmdet.MeanTeacherHook', momentum=0.02)]
