_base_ = './greenmim_twins-svt-base_8xb256-amp-coslr-100e_in1k.py'

model = dict(backbone=dict(arch='small'), neck=dict(embed_dim=512))
