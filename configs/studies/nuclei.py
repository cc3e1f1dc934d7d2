# What pre-training is worth on microscope images of cells, on a CPU, in a day: from the cells' own
# images, from photographs, and from both. The cells are in COCO's layout (train2017, val2017,
# annotations), the photographs in folders (train, val).
data_root = 'data/nuclei/'
_PHOTOGRAPHS = 'data/imagenette/'
_CELLS = dict(
    config='configs/own_data/greenmim_swin-nano_unit8_b32-4k_small-objects.py',
    cfg_options={
        'data_root': data_root,
        'train_dataloader.dataset.data_prefix': 'train2017',
        'custom_hooks.0.images': data_root + 'val2017',
        'custom_hooks.1.images': data_root + 'val2017',
    },
    steps=4000,
)

seeds = [0, 1, 2]
labels = [8, 32, 128, 532]
starts = dict(
    none=None,
    nuclei=_CELLS,
    imagenette=dict(
        config='configs/own_data/greenmim_swin-nano_b32-4k_own-data.py',
        cfg_options={
            'data_root': _PHOTOGRAPHS,
            'train_dataloader.dataset.data_prefix': 'train',
        },
        steps=4000,
    ),
    both=dict(init='imagenette', **_CELLS),
)
detector = dict(
    config='configs/own_data/mask-rcnn_green-swin-nano_fpn_b8-600_small-objects.py',
    cfg_options={'data_root': data_root},
    steps=300,
)
