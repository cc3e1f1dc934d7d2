# GreenMIM with Swin-B. Units of 32 pixels, three quarters of them masked.
custom_imports = dict(imports=['mmgreen'])

model = dict(
    type='mmgreen.GreenMIM',
    mask_ratio=0.75,
    unit_size=32,
    backbone=dict(
        type='mmgreen.GreenSwinTransformer',
        arch='base',
        img_size=224,
        window_size=7,
        drop_path_rate=0.0,
    ),
    neck=dict(
        type='mmgreen.GreenMIMDecoder',
        embed_dim=1024,  # channels of the last stage
        decoder_embed_dim=512,
        decoder_depth=1,
        decoder_num_heads=16,
        mlp_ratio=4.0,
    ),
    head=dict(
        type='mmgreen.GreenMIMHead',
        norm_pix=True,
        loss=dict(type='PixelReconstructionLoss', criterion='L2'),
    ),
    init_cfg=[
        dict(type='TruncNormal', layer='Linear', std=0.02, bias=0.0),
        dict(type='Constant', layer='LayerNorm', val=1.0, bias=0.0),
    ],
)
