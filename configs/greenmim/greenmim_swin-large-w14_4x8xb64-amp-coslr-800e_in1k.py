# Four machines with eight GPUs: the total batch of 2048 in parts of 64.
_base_ = './greenmim_swin-large-w14_8xb256-amp-coslr-800e_in1k.py'

train_dataloader = dict(batch_size=64)
