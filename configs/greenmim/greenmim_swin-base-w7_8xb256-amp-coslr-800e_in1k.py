_base_ = [
    '../_base_/models/greenmim_swin-base.py',
    '../_base_/datasets/imagenet_bs256_greenmim.py',
    '../_base_/schedules/greenmim_adamw_coslr-800e.py',
    '../_base_/greenmim_runtime.py',
]
