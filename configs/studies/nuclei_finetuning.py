# How to fine-tune what configs/studies/nuclei.py pre-trains, chosen on images that it does not report
# on: a part of its training images, held out by
#   tools/datasets/make_config.py FOLDER --out work_dirs/nuclei_chosen
# where FOLDER has nothing but train2017 and its annotations.
_base_ = './nuclei.py'

seeds = [0, 1]
labels = [32]
_PARTS = '{{ fileDirname }}/../../work_dirs/nuclei_chosen/annotations/'
_RATE = 'optim_wrapper.optimizer.lr'
_DECAY = {
    'optim_wrapper.constructor': 'mmgreen.LayerDecayOptimWrapperConstructor',
    'optim_wrapper.paramwise_cfg': dict(layer_decay_rate=0.8),
}
_half = dict(cfg_options={_RATE: 5e-4})
_double = dict(cfg_options={_RATE: 2e-3})
_decay = dict(cfg_options=_DECAY)
_double_decay = dict(cfg_options={_RATE: 2e-3, **_DECAY})
_frozen = dict(cfg_options={'model.backbone.frozen_stages': 1})
_longer = dict(steps=600)
starts = dict(
    _delete_=True,
    none=None,
    nuclei={{_base_.starts.nuclei}},
    none_half=dict(detector=_half),
    none_double=dict(detector=_double),
    none_longer=dict(detector=_longer),
    nuclei_half=dict(init='nuclei', detector=_half),
    nuclei_double=dict(init='nuclei', detector=_double),
    nuclei_longer=dict(init='nuclei', detector=_longer),
    nuclei_decay=dict(init='nuclei', detector=_decay),
    nuclei_double_decay=dict(init='nuclei', detector=_double_decay),
    nuclei_frozen=dict(init='nuclei', detector=_frozen),
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
