# What pre-training is worth on microscope images of cells, on a CPU, in some hours. The dataset is
# in COCO's layout (train2017, val2017, annotations).
data_root = 'data/nuclei/'

seeds = [0, 1, 2]
labels = [8, 32, 128]
starts = dict(
    none=None,
    nuclei=dict(
        config='configs/own_data/greenmim_swin-nano_unit8_b32-4k_small-objects.py',
        cfg_options={
            'data_root': data_root,
            'train_dataloader.dataset.data_prefix': 'train2017',
            'custom_hooks.0.images': data_root + 'val2017',
            'custom_hooks.1.images': data_root + 'val2017',
        },
        steps=4000,
    ),
)
detector = dict(
    config='configs/own_data/mask-rcnn_green-swin-nano_fpn_b8-300_small-objects.py',
    cfg_options={'data_root': data_root},
    steps=300,
)
