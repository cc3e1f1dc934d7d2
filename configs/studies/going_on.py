# Going on from a net that labels trained, on one's own images and without labels: what keeps what it knows, and what
# adds to it. A small Swin learns Imagenette's ten classes for 3,000 steps; from there 1,500 steps of pre-training by
# pixels, at a lower rate, with smaller rates for earlier layers, towards its own features, or towards a teacher's.
_base_ = './photographs.py'

_STEPS = 1500
_RATE = 'optim_wrapper.optimizer.lr'
_PIXELS = dict(
    init='labels',
    config=_base_.starts.pixels.config,
    cfg_options=_base_.starts.pixels.cfg_options,
    steps=_STEPS,
)
_TEACHER = 'configs/own_data/greenmim_swin-nano_teacher_b32-4k_own-data.py'
starts = dict(
    _delete_=True,
    labels=dict(config='configs/studies/going_on/swin-nano_b32-3k_imagenette.py', steps=3000),
    pixels=_PIXELS,
    lower_rate=dict(_PIXELS, cfg_options=dict(_PIXELS['cfg_options'], **{_RATE: 1e-4})),
    layer_decay=dict(
        _PIXELS,
        cfg_options=dict(
            _PIXELS['cfg_options'],
            **{
                _RATE: 5e-4,
                'optim_wrapper.constructor': 'mmgreen.LayerDecayOptimWrapperConstructor',
                'optim_wrapper.paramwise_cfg': dict(layer_decay_rate=0.6),
            },
        ),
    ),
    own_features=dict(
        _PIXELS,
        config=_TEACHER,
        cfg_options=dict(
            _PIXELS['cfg_options'],
            **{
                _RATE: 5e-4,
                'model.head.teacher.model': 'work_dirs/going_on/starts/labels/seed_0/iter_3000.pth',
            },
        ),
    ),
    teacher=dict(_PIXELS, config=_TEACHER, cfg_options=_base_.starts.teacher.cfg_options),
)
