# Swin with windows of 7 from GreenMIM's pre-training, in the place of a detector's own backbone:
# model = dict(backbone={{_base_.green_swin_tiny}})
_common = dict(
    _delete_=True, type='mmgreen.GreenSwinTransformer', window_size=7, pad_small_map=True
)
_tiny = dict(
    **_common,
    arch='tiny',
    init_cfg=dict(
        type='Pretrained',
        checkpoint='work_dirs/greenmim_swin-tiny-w7_8xb256-amp-coslr-100e_in1k/epoch_100.pth',
    ),
)

green_swin_tiny = dict(**_tiny, drop_path_rate=0.2, out_indices=(0, 1, 2, 3))
green_swin_tiny_from_stride_8 = dict(**_tiny, drop_path_rate=0.2, out_indices=(1, 2, 3))
green_swin_tiny_drop_path_3 = dict(**_tiny, drop_path_rate=0.3, out_indices=(0, 1, 2, 3))
green_swin_base = dict(
    **_common,
    arch='base',
    init_cfg=dict(
        type='Pretrained',
        checkpoint='work_dirs/greenmim_swin-base-w7_8xb256-amp-coslr-100e_in1k/epoch_100.pth',
    ),
    drop_path_rate=0.3,
    out_indices=(0, 1, 2, 3),
)
del _common, _tiny
