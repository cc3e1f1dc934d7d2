# Are images that `mmgreen choose` picks worth more than ones drawn at random? Cells, 64 of them labelled: at
# random; by features of their own pre-training; and 32 at random, whose detector chooses the other 32. All detectors
# start from that pre-training.
_base_ = './nuclei.py'

labels = [64]
starts = dict(
    _delete_=True,
    random={{_base_.starts.nuclei}},
    by_features=dict(init='random', choose=dict(by='random')),
    by_detector=dict(init='random', choose=dict(by='random', labels=32)),
)
