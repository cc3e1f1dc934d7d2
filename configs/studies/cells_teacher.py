# Does a teacher of photographs suit cells? Hidden units of 8 pixels are predicted as pixels; as what EfficientNet-Lite0
# says of them where its map is as fine; or as its deeper features of crops that are enlarged twice. All in the time of
# 4,000 steps of pixels on one core; then Mask R-CNN on 32 labelled images for 300 steps.
_base_ = './nuclei.py'


def _taught(steps, **teacher):
    head = dict(
        _delete_=True,
        type='mmgreen.TeacherHead',
        teacher=dict(
            model='tf_efficientnet_lite0',
            **teacher,
        ),
    )
    return dict(
        config=_base_.starts.nuclei.config,
        cfg_options={**_base_.starts.nuclei.cfg_options, 'model.head': head},
        steps=steps,
    )


labels = [32]
starts = dict(
    _delete_=True,
    pixels={{_base_.starts.nuclei}},
    teacher=_taught(3600),
    deep_teacher=_taught(2200, depths=[3], enlarge=2),
)
