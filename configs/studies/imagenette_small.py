# GreenMIM in a third of SimMIM's time, on photographs and a CPU: a net of a million parameters. A run
# in minutes has as many steps as a run that is alone on the machine takes in them.
_FOLDER = 'configs/studies/imagenette/'
_NET = dict(embed_dims=32, depths=[2, 2, 4], num_heads=[1, 2, 4])
_BATCH = {
    'train_dataloader.batch_size': 64,
    'train_dataloader.repeats': 4,
    'train_dataloader.num_workers': 1,
    'optim_wrapper.optimizer.lr': 4e-4,
}

seeds = [0, 1, 2]
starts = dict(
    none=None,
    simmim=dict(
        config=_FOLDER + 'simmim_swin-tiny-3stage_112px.py',
        cfg_options={
            **_BATCH,
            'model.backbone.arch': _NET,
            'model.neck.in_channels': 128,
        },
        minutes=15,
    ),
    greenmim=dict(
        config=_FOLDER + 'greenmim_swin-tiny-3stage_112px.py',
        cfg_options={
            **_BATCH,
            'model.backbone.arch': _NET,
            'model.neck.embed_dim': 128,
            'model.neck.decoder_embed_dim': 128,
            'model.neck.decoder_num_heads': 4,
        },
        minutes=5,
    ),
)
classifier = dict(
    config=_FOLDER + 'swin-tiny-3stage_160px.py',
    cfg_options={
        'model.backbone.arch': _NET,
        'model.head.in_channels': 128,
        'val_dataloader.num_workers': 1,
    },
)
