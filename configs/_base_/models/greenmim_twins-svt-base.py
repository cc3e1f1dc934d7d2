# GreenMIM with Twins-SVT-B. Units of 32 pixels, three quarters of them masked.
_base_ = './greenmim_swin-base.py'

model = dict(
    backbone=dict(
        _delete_=True,
        type='mmgreen.GreenTwins',
        arch='base',
        qkv_bias=True,
        norm_after_stage=[False, False, False, True],
    ),
    neck=dict(embed_dim=768),
)
