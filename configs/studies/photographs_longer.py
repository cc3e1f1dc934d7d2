# The same as photographs.py, for longer: thirty minutes for each start, of which a pre-training takes ten, by the
# pace of each.
_base_ = './photographs.py'

_minutes = 30
starts = dict(
    none=dict(_delete_=True),
    pixels=dict(steps=9300),
    teacher=dict(steps=6720),
    imagenet_net=dict(
        detector=dict(
            _delete_=True,
            config={{_base_.starts.imagenet_net.detector.config}},
            minutes=_minutes,
        )
    ),
)
detector = dict(
    _delete_=True,
    config={{_base_.detector.config}},
    cfg_options={{_base_.detector.cfg_options}},
    minutes=_minutes,
)
