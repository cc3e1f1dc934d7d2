_base_ = './greenmim_adamw_coslr-100e.py'

param_scheduler = [
    {{_base_.warm_up}},
    dict(
        type='CosineAnnealingLR',
        T_max=160,
        by_epoch=True,
        begin=40,
        end=200,
        convert_to_iter_based=True,
    ),
]
train_cfg = dict(max_epochs=200)
