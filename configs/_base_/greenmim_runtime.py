_base_ = 'mmpretrain::_base_/default_runtime.py'

default_hooks = dict(checkpoint=dict(max_keep_ckpts=3))

# Every process draws masks of its own.
randomness = dict(seed=0, diff_rank_seed=True)

# Masked, predicted, original: the same images under the same masks, epoch by epoch.
# What a few of them still tell apart: features may collapse while the loss falls.
custom_hooks = [
    dict(type='mmgreen.ReconstructionHook', images='data/imagenet/val'),
    dict(type='mmgreen.FeatureHealthHook', images='data/imagenet/val'),
]
