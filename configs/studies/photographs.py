# What a teacher is worth on photographs and one core: to neighbours and a linear layer, and to detectors
# on 1,000 labelled images, all in the time of 4 minutes of pre-training and 400 steps of the detector;
# against pixels, nothing, and the teacher itself as the detector's backbone.
data_root = 'data/voc_objects/'  # VOC in COCO's layout, all its classes as one
_PHOTOGRAPHS = 'data/photographs/'  # Imagenette's and VOC's images to train on, labels left aside
_OWN = 'configs/own_data/'


def _pretraining(name, steps, **options):
    crops = dict(type='mmgreen.LoadRandomCrop', scale=64, crop_ratio_range=(0.2, 1.0), flip=0.5)
    return dict(
        config=_OWN + name,
        steps=steps,
        cfg_options={
            'data_root': _PHOTOGRAPHS,
            'train_dataloader.dataset.data_prefix': '',
            'train_dataloader.dataset.pipeline': [crops, dict(type='PackInputs')],
            'custom_hooks': [],
            **options,
        },
    )


seeds = [0, 1, 2]
labels = [1000]
starts = dict(
    none=dict(detector=dict(steps=770)),
    pixels=_pretraining('greenmim_swin-nano_b32-4k_own-data.py', steps=3100),
    teacher=_pretraining(
        'greenmim_swin-nano_teacher_b32-4k_own-data.py',
        steps=2240,
    ),
    imagenet_net=dict(
        detector=dict(
            config=_OWN + 'mask-rcnn_efficientnet-lite0_fpn_b8-600_own-data.py',
            steps=620,
        )
    ),
)
detector = dict(
    config=_OWN + 'mask-rcnn_green-swin-nano_fpn_b8-600_own-data.py',
    cfg_options={
        'data_root': data_root,
        'train_dataloader.dataset.pipeline.2.scale': (192, 192),
        'test_dataloader.dataset.pipeline.1.scale': (192, 192),
    },
    steps=400,
)
classifier = dict(
    config='configs/quickstart/green-swin-nano_imagenette.py',
    cfg_options={
        'data_root': 'data/imagenette/',
        'model.backbone.arch': dict(embed_dims=32, depths=[2, 2, 4], num_heads=[1, 2, 4]),
        'model.backbone.window_size': 4,
        'model.backbone.drop_path_rate': 0.0,
        'model.backbone.out_indices': (2,),
        'model.head.in_channels': 128,
        # Half of the training images are the bank.
        'train_dataloader.dataset.indices': [i for i in range(9469) if i % 2],
    },
)
