# Cells with 32 labels, each detector trained until its AP on 40 images that are held out rises no more: from
# nothing, from the cells' own pre-training, and from a small net of ImageNet.
_base_ = './nuclei_starts.py'

labels = [32]
starts = dict(
    _delete_=True,
    none=None,
    cells={{_base_.starts.nuclei}},
    imagenet_net=dict(
        detector=dict(cfg_options={{_base_.starts.imagenet_net.detector.cfg_options}})
    ),
)
detector = dict(steps=1500, until=dict(images=40, interval=100, patience=3))
