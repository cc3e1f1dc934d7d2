# What images without labels are worth in the detector's own training: Mask R-CNN with EfficientNet-Lite0
# on 100 labelled photographs alone, and with 4,000 others (`unlabelled/`), in the same time.
data_root = 'data/voc_objects/'  # VOC in COCO's layout, all its classes as one
_OWN = 'configs/own_data/'
_SCALE = (192, 192)
_PARTS = 'train_dataloader.dataset.datasets'

seeds = [0, 1, 2]
labels = [100]
starts = dict(
    labels=dict(
        detector=dict(
            cfg_options={
                'train_dataloader.dataset.pipeline.2.scale': _SCALE,
            }
        )
    ),
    both=dict(
        detector=dict(
            config=_OWN + 'semi_mask-rcnn_efficientnet-lite0_fpn_b8-600_own-data.py',
            steps=1090,
            cfg_options={
                f'{_PARTS}.0.pipeline.2.scale': _SCALE,
                f'{_PARTS}.1.pipeline.2.unsup_teacher.0.scale': _SCALE,
                f'{_PARTS}.1.pipeline.2.unsup_student.0.scale': _SCALE,
            },
        )
    ),
)
detector = dict(
    config=_OWN + 'mask-rcnn_efficientnet-lite0_fpn_b8-600_own-data.py',
    cfg_options={'data_root': data_root, 'test_dataloader.dataset.pipeline.1.scale': _SCALE},
    steps=1200,
)
