# Single settings of GreenMIM's recipe on photographs and a CPU, by what features say of training
# images that are held out: decoder, average of weights, rate, clipping, masks, targets.
_base_ = './imagenette_small.py'


def _variant(*hooks, **changes):
    return dict(
        config='configs/studies/imagenette/greenmim_swin-tiny-3stage_112px.py',
        cfg_options={
            'train_dataloader.batch_size': 64,
            'train_dataloader.repeats': 4,
            'train_dataloader.num_workers': 1,
            'optim_wrapper.optimizer.lr': 4e-4,
            'model.backbone.arch': dict(embed_dims=32, depths=[2, 2, 4], num_heads=[1, 2, 4]),
            'model.neck.embed_dim': 128,
            'model.neck.decoder_embed_dim': 128,
            'model.neck.decoder_num_heads': 4,
            'custom_hooks': list(hooks),
            **{key.replace('__', '.'): value for key, value in changes.items()},
        },
        steps=390,
    )


seeds = [0, 1]
starts = dict(
    _delete_=True,
    none=None,
    usual=_variant(),
    decoder_of_4_blocks=_variant(model__neck__decoder_depth=4),
    decoder_of_256_channels=_variant(
        model__neck__decoder_embed_dim=256, model__neck__decoder_num_heads=8
    ),
    decoder_of_64_channels=_variant(
        model__neck__decoder_embed_dim=64, model__neck__decoder_num_heads=2
    ),
    average_of_weights=_variant(dict(type='EMAHook', momentum=0.02)),
    half_the_rate=_variant(optim_wrapper__optimizer__lr=2e-4),
    twice_the_rate=_variant(optim_wrapper__optimizer__lr=8e-4),
    no_clipping=_variant(optim_wrapper__clip_grad=None),
    mask_of_the_batch=_variant(model__mask_sharing='batch'),
    masked_60_percent=_variant(model__mask_ratio=0.6),
    plain_pixels=_variant(model__head__norm_pix=False),
)
# Of the training images, a quarter is the bank and an eighth is told apart.
_IMAGES = range(9469)
classifier = dict(
    cfg_options={
        'train_dataloader.dataset.indices': [i for i in _IMAGES if i % 8 in (1, 5)],
        'val_dataloader.dataset.data_prefix': 'train',
        'val_dataloader.dataset.indices': [i for i in _IMAGES if i % 8 == 0],
    }
)
