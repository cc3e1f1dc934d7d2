"""A training run that takes no time: random vectors, a linear layer, dropout."""

import random
from itertools import count
from types import SimpleNamespace

import numpy as np
import torch
from mmengine.config import Config
from mmengine.model import BaseModel
from mmengine.registry import DATASETS, MODELS
from mmengine.runner import Runner
from torch import nn

from mmgreen.engine import build_runner, own_scope, prepare_run

_NUMBERS = count()


@DATASETS.register_module()
class ToyData(torch.utils.data.Dataset):
    """Vectors with noise of every generator there is."""

    def __init__(self, size, spoilt=()):
        self.size, self.spoilt = size, spoilt

    def __len__(self):
        return self.size

    def __getitem__(self, index):
        noise = torch.rand(3) + np.random.rand() + random.random()  # noqa: NPY002
        if index in self.spoilt:
            noise = noise * torch.nan
        return dict(inputs=index + noise, data_samples=SimpleNamespace(img_path=f'{index}.jpg'))


@MODELS.register_module()
class ToyModel(BaseModel):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 1)
        self.dropout = nn.Dropout(0.5)
        self.losses = []

    def forward(self, inputs, data_samples=None, mode='loss'):
        loss = self.layer(self.dropout(torch.stack(inputs) / 10)).square().mean()
        self.losses.append(loss.item())
        return dict(loss=loss)


def toy_config(work_dir, by_epoch=True, workers=0, size=14, spoilt=(), **checkpoint):
    """Two epochs of seven steps, or fourteen steps."""
    epochs = dict(by_epoch=True, max_epochs=2)
    return Config(
        dict(
            default_scope='mmengine',
            work_dir=str(work_dir),
            model=dict(type='ToyModel'),
            train_dataloader=dict(
                batch_size=2,
                num_workers=workers,
                persistent_workers=workers > 0,
                sampler=dict(
                    type='DefaultSampler' if by_epoch else 'InfiniteSampler', shuffle=True
                ),
                dataset=dict(type='ToyData', size=size, spoilt=list(spoilt)),
            ),
            train_cfg=epochs if by_epoch else dict(by_epoch=False, max_iters=14),
            optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.01, momentum=0.9)),
            default_hooks=dict(
                logger=dict(type='LoggerHook', interval=1),
                checkpoint=dict(type='CheckpointHook', by_epoch=by_epoch, **checkpoint),
            ),
            randomness=dict(seed=0),
            log_level='WARNING',
            experiment_name=f'toy-{next(_NUMBERS)}',  # loggers go by it
            visualizer=dict(type='Visualizer', vis_backends=[dict(type='LocalVisBackend')]),
        )
    )


def train(cfg, restartable=False) -> Runner:
    """As tools/train.py does it."""
    prepare_run(cfg, 'train')
    with own_scope(cfg):
        runner = build_runner(cfg, restartable)
        runner.train()
    return runner


def said(work_dir) -> str:
    """All logs of a work dir, warnings and errors."""
    return '\n'.join(path.read_text() for path in sorted(work_dir.glob('*/*.log')))
