# Large-scale jitter and simple copy-paste (https://arxiv.org/abs/2012.07177), at 1024 pixels.
# Masks are polygons until objects are pasted.
lsj_size = (1024, 1024)
lsj_scp_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='mmgreen.LoadAnnotations', with_bbox=True, with_mask=True),
    dict(type='RandomResize', scale=lsj_size, ratio_range=(0.1, 2.0), keep_ratio=True),
    dict(
        type='RandomCrop',
        crop_type='absolute',
        crop_size=lsj_size,
        recompute_bbox=True,
        allow_negative_crop=True,
    ),
    dict(type='FilterAnnotations', min_gt_bbox_wh=(1e-2, 1e-2)),
    dict(type='RandomFlip', prob=0.5),
    dict(type='Pad', size=lsj_size),
    dict(type='mmgreen.CopyPaste', max_num_pasted=100),
    dict(type='PackDetInputs'),
]
