# SimMIM with the net, crops, units, batch, rate and length of greenmim_swin-tiny-3stage_112px.py;
# its own masking ratio, target and loss.
_base_ = './greenmim_swin-tiny-3stage_112px.py'

model = dict(
    _delete_=True,
    type='SimMIM',
    backbone=dict(
        type='SimMIMSwinTransformer',
        arch=dict(embed_dims=96, depths=[2, 2, 6], num_heads=[3, 6, 12]),
        img_size=112,
        out_indices=(2,),
        stage_cfgs=dict(block_cfgs=dict(window_size=7)),
    ),
    neck=dict(type='SimMIMLinearDecoder', in_channels=384, encoder_stride=16),
    head=dict(
        type='SimMIMHead',
        patch_size=4,
        loss=dict(type='PixelReconstructionLoss', criterion='L1', channel=3),
    ),
)
train_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(type='mmgreen.LoadRandomCrop', scale=112, crop_ratio_range=(0.2, 1.0), flip=0.5),
            dict(
                type='SimMIMMaskGenerator',
                input_size=112,
                mask_patch_size=16,
                model_patch_size=4,
                mask_ratio=0.6,
            ),
            dict(type='PackInputs'),
        ]
    )
)
custom_hooks = []
