# Are photographs that `mmgreen choose` picks worth more than ones drawn at random? 64 labelled, all classes as one: at
# random; by features of EfficientNet-Lite0; and 32 at random, whose detector chooses the other 32. All detectors start
# from that net of ImageNet.
_base_ = './unlabelled.py'

_LITE = dict(cfg_options={{_base_.starts.labels.detector.cfg_options}})

labels = [64]
starts = dict(
    _delete_=True,
    random=dict(detector=_LITE),
    by_features=dict(detector=_LITE, choose=dict(by='random')),
    by_detector=dict(detector=_LITE, choose=dict(by='random', labels=32)),
)
detector = dict(steps=400)
