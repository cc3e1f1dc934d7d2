# Needs mmsegmentation: pip install -r requirements/optional.txt
_base_ = 'mmseg::swin/swin-base-patch4-window7-in1k-pre_upernet_8xb2-160k_ade20k-512x512.py'

custom_imports = dict(imports=['mmgreen'])

model = dict(
    backbone=dict(
        _delete_=True,
        type='mmgreen.GreenSwinTransformer',
        arch='base',
        window_size=7,
        pad_small_map=True,
        drop_path_rate=0.3,
        out_indices=(0, 1, 2, 3),
        init_cfg=dict(
            type='Pretrained',
            checkpoint='work_dirs/greenmim_swin-base-w7_8xb256-amp-coslr-100e_in1k/epoch_100.pth',
        ),
    )
)

# All layers learn at one rate; optim_wrapper.paramwise_cfg.layer_decay_rate=0.9 slows early ones.
optim_wrapper = dict(
    type='AmpOptimWrapper',
    loss_scale='dynamic',
    constructor='mmgreen.LayerDecayOptimWrapperConstructor',
    paramwise_cfg=dict(layer_decay_rate=1.0),
)

auto_scale_lr = dict(enable=False, base_batch_size=16)
