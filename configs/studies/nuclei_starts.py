# What else a detector of cells could start from, in equal total time: nothing for 600 steps, the cells'
# own pre-training for as long as 300 and 300 steps, or a small net of ImageNet for 480 steps.
_base_ = './nuclei.py'

labels = [32, 128]
starts = dict(
    _delete_=True,
    none=dict(detector=dict(steps=600)),
    nuclei={{_base_.starts.nuclei}},
    imagenet_net=dict(
        detector=dict(
            steps=480,
            cfg_options={
                'model.data_preprocessor.mean': [127.5] * 3,
                'model.data_preprocessor.std': [127.5] * 3,
                'model.backbone': dict(
                    _delete_=True,
                    type='mmgreen.TimmBackbone',
                    model='tf_efficientnet_lite0',
                    out_indices=(1, 2, 3, 4),
                ),
                'model.neck': dict(in_channels=[24, 40, 112, 320]),
            },
        )
    ),
)
