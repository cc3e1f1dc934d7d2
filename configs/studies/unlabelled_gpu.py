# What images without labels are worth in a long training, on one GPU: the same as unlabelled.py with all 20 classes of
# VOC, 250 labelled photographs and 4,000 others, at 256 pixels, ten minutes for each row by the pace of each. On a CPU
# there is time for two thousand steps at most, in which the teacher hardly gets better; this shows whether it does in
# more.
_base_ = './unlabelled.py'

data_root = 'data/voc/'  # in COCO's layout
_WORKERS = {'train_dataloader.num_workers': 8}
_minutes = 10

labels = [250]
starts = dict(
    _delete_=True,
    labels=dict(detector=dict(cfg_options=_WORKERS)),
    both=dict(
        detector=dict(
            config={{_base_.starts.both.detector.config}},
            minutes=_minutes,
            cfg_options=_WORKERS,
        )
    ),
)
detector = dict(
    _delete_=True,
    config={{_base_.detector.config}},
    cfg_options={'data_root': data_root},
    minutes=_minutes,
)
