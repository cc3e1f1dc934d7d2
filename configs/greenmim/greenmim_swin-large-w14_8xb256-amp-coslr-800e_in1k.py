_base_ = './greenmim_swin-base-w14_8xb256-amp-coslr-800e_in1k.py'

model = dict(backbone=dict(arch='large'), neck=dict(embed_dim=1536))

optim_wrapper = dict(optimizer=dict(lr=1e-4 * 2048 / 256))
