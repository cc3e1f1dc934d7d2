# Classification of Imagenette by what greenmim_swin-tiny-3stage_112px.py has learnt.
_base_ = './swin-tiny_160px.py'

model = dict(
    backbone=dict(
        _delete_=True,
        type='mmgreen.GreenSwinTransformer',
        arch=dict(embed_dims=96, depths=[2, 2, 6], num_heads=[3, 6, 12]),
        img_size=112,
        window_size=7,
        out_indices=(2,),
        init_cfg=None,
    ),
    head=dict(in_channels=384),
)
