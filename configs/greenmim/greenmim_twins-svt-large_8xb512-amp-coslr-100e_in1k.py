_base_ = './greenmim_twins-svt-base_8xb256-amp-coslr-100e_in1k.py'

model = dict(backbone=dict(arch='large'), neck=dict(embed_dim=1024))

train_dataloader = dict(batch_size=512)
optim_wrapper = dict(optimizer=dict(lr=1.5e-4 * 4096 / 256))
auto_scale_lr = dict(base_batch_size=4096)
