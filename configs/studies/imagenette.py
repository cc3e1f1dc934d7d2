# What pre-training on ten classes of photographs is worth to nearest neighbours and to a linear
# layer, with three stages of Swin-T, on a GPU. There SimMIM's steps took some three times as long as
# GreenMIM's 914, and no less than its 2,420.
data_root = 'data/imagenette/'

_FOLDER = 'configs/studies/imagenette/'
seeds = [0]
starts = dict(
    none=None,
    greenmim=dict(config=_FOLDER + 'greenmim_swin-tiny-3stage_112px.py', steps=2420),
    greenmim_third=dict(config=_FOLDER + 'greenmim_swin-tiny-3stage_112px.py', steps=914),
    simmim=dict(config=_FOLDER + 'simmim_swin-tiny-3stage_112px.py', steps=1152),
    simmim_own_rate=dict(
        config=_FOLDER + 'simmim_swin-tiny-3stage_112px.py',
        cfg_options={'optim_wrapper.optimizer.lr': 4e-4},
        steps=1152,
    ),
)
classifier = dict(config=_FOLDER + 'swin-tiny-3stage_160px.py')
