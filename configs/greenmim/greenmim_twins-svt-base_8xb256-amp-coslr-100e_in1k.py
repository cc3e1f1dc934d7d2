_base_ = [
    '../_base_/models/greenmim_twins-svt-base.py',
    '../_base_/datasets/imagenet_bs256_greenmim.py',
    '../_base_/schedules/greenmim_adamw_coslr-100e.py',
    '../_base_/greenmim_runtime.py',
]
