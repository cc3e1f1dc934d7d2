# For objects of 10 to 30 pixels: crops are zoomed, and mask units of 8 pixels, finer than the
# net's stride of 16, seldom hide an object whole.
_base_ = './greenmim_swin-nano_b32-4k_own-data.py'

model = dict(unit_size=8)
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(
        type='RandomResizedCrop',
        scale=64,
        # In images of 256 pixels, objects become 1.25 to 2.25 times as large.
        crop_ratio_range=(0.012, 0.04),
        backend='pillow',
        interpolation='bicubic',
    ),
    dict(type='RandomFlip', prob=[0.25, 0.25], direction=['horizontal', 'vertical']),
    dict(type='PackInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
