# How to fine-tune what configs/studies/nuclei.py pre-trains, chosen on images that it does not report
# on: a part of its training images, held out by
#   tools/datasets/make_config.py FOLDER --out work_dirs/nuclei_chosen
# where FOLDER has nothing but train2017 and its annotations.
_base_ = './nuclei.py'

seeds = [0, 1]
labels = [32]
_PARTS = '{{ fileDirname }}/../../work_dirs/nuclei_chosen/annotations/'


def _detector(lr=1e-3, **cfg_options):
    return dict(cfg_options={'optim_wrapper.optimizer.lr': lr, **cfg_options})


_DECAY = {
    'optim_wrapper.constructor': 'mmgreen.LayerDecayOptimWrapperConstructor',
    'optim_wrapper.paramwise_cfg': dict(layer_decay_rate=0.8),
}
starts = dict(
    _delete_=True,
    none=None,
    nuclei={{_base_.starts.nuclei}},
    none_half=dict(detector=_detector(lr=5e-4)),
    none_double=dict(detector=_detector(lr=2e-3)),
    none_longer=dict(detector=dict(steps=600)),
    nuclei_half=dict(init='nuclei', detector=_detector(lr=5e-4)),
    nuclei_double=dict(init='nuclei', detector=_detector(lr=2e-3)),
    nuclei_longer=dict(init='nuclei', detector=dict(steps=600)),
    nuclei_decay=dict(init='nuclei', detector=_detector(**_DECAY)),
    nuclei_double_decay=dict(init='nuclei', detector=_detector(lr=2e-3, **_DECAY)),
    nuclei_frozen=dict(init='nuclei', detector=_detector(**{'model.backbone.frozen_stages': 1})),
)
detector = dict(
    cfg_options={
        'train_dataloader.dataset.ann_file': _PARTS + 'train.json',
        'train_dataloader.dataset.data_prefix.img': '',
        'test_dataloader.dataset.ann_file': _PARTS + 'val.json',
        'test_dataloader.dataset.data_prefix.img': '',
        'test_evaluator.ann_file': _PARTS + 'val.json',
    }
)
