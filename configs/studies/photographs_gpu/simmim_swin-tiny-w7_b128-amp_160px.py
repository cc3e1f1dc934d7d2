# SimMIM with the net, crops, units, batch and rate of the GreenMIM beside it; its own masking ratio, target and loss.
_base_ = '../../own_data/greenmim_swin-tiny-w7_b128-amp-10k_own-data.py'

model = dict(
    _delete_=True,
    type='SimMIM',
    backbone=dict(
        type='SimMIMSwinTransformer',
        arch='tiny',
        img_size=160,
        stage_cfgs=dict(block_cfgs=dict(window_size=7)),
        pad_small_map=True,
    ),
    neck=dict(type='SimMIMLinearDecoder', in_channels=768, encoder_stride=32),
    head=dict(
        type='SimMIMHead',
        patch_size=4,
        loss=dict(type='PixelReconstructionLoss', criterion='L1', channel=3),
    ),
)
train_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(type='mmgreen.LoadRandomCrop', scale=160, crop_ratio_range=(0.2, 1.0), flip=0.5),
            dict(
                type='SimMIMMaskGenerator',
                input_size=160,
                mask_patch_size=16,
                model_patch_size=4,
                mask_ratio=0.6,
            ),
            dict(type='PackInputs'),
        ]
    )
)
custom_hooks = []
