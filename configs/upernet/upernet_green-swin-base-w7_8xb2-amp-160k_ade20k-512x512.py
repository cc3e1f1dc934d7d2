# Needs mmsegmentation: pip install -r requirements/optional.txt
_base_ = [
    'mmseg::swin/swin-base-patch4-window7-in1k-pre_upernet_8xb2-160k_ade20k-512x512.py',
    '../_base_/backbones/green_swin_w7.py',
]

custom_imports = dict(imports=['mmgreen'])

model = dict(backbone={{_base_.green_swin_base}})

# All layers learn at one rate; optim_wrapper.paramwise_cfg.layer_decay_rate=0.9 slows early ones.
optim_wrapper = dict(
    type='AmpOptimWrapper',
    loss_scale='dynamic',
    constructor='mmgreen.LayerDecayOptimWrapperConstructor',
    paramwise_cfg=dict(layer_decay_rate=1.0),
)

auto_scale_lr = dict(enable=False, base_batch_size=16)
