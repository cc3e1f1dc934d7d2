# What Swin-T with all four stages should start from, on one GPU: nothing, GreenMIM's pixels, a teacher, or SimMIM for
# three times as long; detectors of all 20 classes on 100, 250 and 1,000 labelled photographs of VOC. A start's
# row takes about ten minutes, SimMIM's twenty, and rows are run one after another: what was run before a GPU is
# given back goes into docs/evidence/ by `python docs/evidence.py --add`.
data_root = 'data/voc/'  # in COCO's layout
_PHOTOGRAPHS = 'data/photographs/'  # Imagenette's and VOC's images to train on, labels left aside
_OWN = 'configs/own_data/'
_MINUTES = 4
_READ = {
    'data_root': _PHOTOGRAPHS,
    'train_dataloader.dataset.data_prefix': '',
    'train_dataloader.num_workers': 12,
    'custom_hooks': [],
}
# Units of 32 pixels get their colour in so few steps, and no more.
_GREENMIM = {**_READ, 'model.unit_size': 16}

seeds = [0, 1, 2]
labels = [100, 250, 1000]
starts = dict(
    none=None,
    greenmim=dict(
        config=_OWN + 'greenmim_swin-tiny-w7_b128-amp-10k_own-data.py',
        minutes=_MINUTES,
        cfg_options=_GREENMIM,
    ),
    # The weights that timm downloads: --cfg-options model.head.teacher.checkpoint=FILE in its config where
    # there is no network.
    teacher=dict(
        config=_OWN + 'greenmim_swin-tiny-w7_teacher_b128-amp-10k_own-data.py',
        minutes=_MINUTES,
        cfg_options=_GREENMIM,
    ),
    simmim=dict(
        config='configs/studies/photographs_gpu/simmim_swin-tiny-w7_b128-amp_160px.py',
        minutes=3 * _MINUTES,
        cfg_options=_READ,
    ),
)
detector = dict(
    config=_OWN + 'mask-rcnn_green-swin-tiny-w7_fpn_b8-amp-1k_own-data.py',
    cfg_options={
        'data_root': data_root,
        'train_dataloader.dataset.pipeline.2.scale': (256, 256),
        'test_dataloader.dataset.pipeline.1.scale': (256, 256),
        'train_dataloader.num_workers': 8,
    },
    steps=1000,
)
