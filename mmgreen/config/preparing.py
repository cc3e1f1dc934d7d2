"""A config is checked and completed before anything is built or written."""

import torch
from mmengine.config import Config, ConfigDict
from mmengine.logging import print_log

from mmgreen.errors import UserError

from .data import check_classes, check_datasets
from .device import say_device
from .nodes import walk
from .settings import check_settings, warn_of_slips
from .start import check_start, check_work_dir

# What goes on as if it had never stopped, or does not wait for the device, for what of mmengine's.
_OURS = dict(
    EpochBasedTrainLoop='mmgreen.ResumableEpochLoop',
    IterBasedTrainLoop='mmgreen.ResumableIterLoop',
    CheckpointHook='mmgreen.CheckpointHook',
    RuntimeInfoHook='mmgreen.RuntimeInfoHook',
    DefaultOptimWrapperConstructor='mmgreen.OptimWrapperConstructor',
)

# Optimizers that do a step in one kernel, and skip one by themselves (WatchHook).
_FUSED = ('Adam', 'AdamW')


def prepare_config(cfg: Config, mode: str) -> None:
    """Check a config before anything is built or written, and complete it.

    Number of classes and the evaluator's annotation file follow from the
    dataset; without a GPU, mixed precision, synchronised batch norm and NCCL
    give way to float32, batch norm and gloo; checkpoints are written without
    pickled objects, and must fit.

    Args:
        cfg: Changed in place.
        mode: ``'train'`` or ``'test'``.

    Raises:
        UserError: If a dataset is not there, its categories disagree, a module
            of this project is given a setting that it does not have, the
            checkpoint to start from does not fit, or there is nothing to test.
    """
    if mode == 'test' and not cfg.get('test_dataloader'):
        raise UserError(f'{cfg.filename} has no test_dataloader: there is nothing to test')
    strategy = (cfg.get('strategy') or {}).get('type', 'DDPStrategy')
    if strategy not in ('DDPStrategy', 'SingleDeviceStrategy'):
        raise UserError(
            f'{cfg.filename} splits the model over processes (strategy.type {strategy}), which the '
            'checks and checkpoints of this project do not know: set strategy.type to DDPStrategy'
        )
    check_settings(cfg)
    warn_of_slips(cfg)
    for _, node in walk(cfg.model):
        if 'checkpoint' in (node.get('init_cfg') or {}):  # the one thing that it can mean
            node.init_cfg.setdefault('type', 'Pretrained')
    splits = ('train', 'val') if mode == 'train' else ('test',)
    check_datasets(cfg, [split for split in splits if cfg.get(f'{split}_dataloader')])
    if mode == 'test' and cfg.get('load_from'):
        check_classes(cfg)
    if mode == 'train':
        check_start(cfg)
        check_work_dir(cfg.work_dir)
        _make_resumable(cfg)
        _repeat_images(cfg.train_dataloader)
        prepare_optimizer(cfg)
        _make_quick(cfg)

    for name in ('train', 'val', 'test'):
        loader = cfg.get(f'{name}_dataloader')
        if loader and loader.get('num_workers') == 0:  # PyTorch refuses these without workers
            loader.pop('persistent_workers', None)
            loader.pop('prefetch_factor', None)

    say_device(cfg)
    if not torch.cuda.is_available():
        if cfg.get('env_cfg', {}).get('dist_cfg', {}).get('backend') == 'nccl':
            cfg.env_cfg.dist_cfg.backend = 'gloo'
        if cfg.get('launcher', 'none') != 'none':
            _wrap_on_cpu(cfg)
        if cfg.get('optim_wrapper', {}).get('type') == 'AmpOptimWrapper':
            cfg.optim_wrapper.type = 'OptimWrapper'
            for key in ('loss_scale', 'dtype'):
                cfg.optim_wrapper.pop(key, None)
            print_log('No GPU: training in float32 instead of mixed precision.')
        synchronised = [node for _, node in walk(cfg.model) if node.get('type') == 'SyncBN']
        for node in synchronised:
            node.type = 'BN'
        if synchronised:
            print_log('No GPU: batch norm is not synchronised between processes.')

    cfg.custom_hooks = list(cfg.get('custom_hooks') or [])
    if mode == 'test':  # it would load the training data, to look at their loop
        cfg.custom_hooks = [h for h in cfg.custom_hooks if h.get('type') != 'EarlyStoppingHook']
    there = {hook.get('type') for hook in cfg.custom_hooks}  # in a config that a run has dumped
    training = ('WatchHook', 'PreemptionHook') if mode == 'train' else ()
    always = ('PlainCheckpointHook', 'StrictLoadHook', 'RunRecordHook', 'ProgressBarHook')
    names = [f'mmgreen.{name}' for name in (*training, *always)]
    cfg.custom_hooks += [dict(type=name) for name in names if name not in there]


def _make_resumable(cfg: Config) -> None:
    """Replace mmengine's loop and checkpoint hook by those of this project."""
    loop = cfg.train_cfg
    if 'type' not in loop:
        loop.type = 'EpochBasedTrainLoop' if loop.pop('by_epoch') else 'IterBasedTrainLoop'
    loop.type = _OURS.get(loop.type, loop.type)
    hooks = cfg.setdefault('default_hooks', ConfigDict())
    hooks.setdefault('runtime_info', ConfigDict(type='RuntimeInfoHook'))
    hooks.setdefault('checkpoint', ConfigDict(type='CheckpointHook', interval=1))
    for name in ('runtime_info', 'checkpoint'):
        hooks[name].type = _OURS.get(hooks[name].type, hooks[name].type)


def _repeat_images(loader: ConfigDict) -> None:
    """Put ``train_dataloader.repeats`` where mmengine looks for it.

    Raises:
        UserError: If it does not divide the batch size.
    """
    repeats = loader.pop('repeats', 1)
    if repeats == 1:
        return
    batch_size = loader.batch_size
    if not isinstance(repeats, int) or repeats < 1 or batch_size % repeats:
        raise UserError(
            f'train_dataloader.repeats {repeats} does not divide train_dataloader.batch_size '
            f'{batch_size}: every image of a batch has as many crops'
        )
    loader.batch_sampler = dict(
        type='mmgreen.RepeatBatchSampler', repeats=repeats, drop_last=loader.pop('drop_last', False)
    )


def prepare_optimizer(cfg: Config) -> None:
    """Let an optimizer's step be a few kernels.

    Args:
        cfg: Changed in place: ``optim_wrapper``.
    """
    wrapper = cfg.optim_wrapper
    if 'optimizer' in wrapper:  # not one of several
        constructor = wrapper.get('constructor', 'DefaultOptimWrapperConstructor')
        wrapper.constructor = _OURS.get(constructor, constructor)
        if wrapper.optimizer.type in _FUSED:
            wrapper.optimizer.setdefault('fused', True)


def _make_quick(cfg: Config) -> None:
    """Let nothing between two steps wait for the device."""
    for part in (cfg.get('data_preprocessor'), cfg.model.get('data_preprocessor')):
        kind = (part or {}).get('type', '').split('.')[-1]
        if kind in ('SelfSupDataPreprocessor', 'DetDataPreprocessor'):
            part.type = f'mmgreen.{kind}'
            if torch.cuda.is_available():  # others, as mmpretrain's of classifiers, do not take it
                part.setdefault('non_blocking', True)
    if torch.cuda.is_available():
        cfg.train_dataloader.setdefault('pin_memory', True)


def _wrap_on_cpu(cfg: Config) -> None:
    """Let no wrapper of the model ask for a GPU, as mmengine's defaults do."""
    if cfg.get('runner_type') == 'FlexibleRunner':
        wrapper = dict(broadcast_buffers=False) | (cfg.strategy.get('model_wrapper') or {})
        cfg.strategy.model_wrapper = wrapper | dict(device_ids=None)
        return
    unused = cfg.get('find_unused_parameters', False)
    wrapper = dict(
        type='MMDistributedDataParallel', broadcast_buffers=False, find_unused_parameters=unused
    )
    cfg.model_wrapper_cfg = wrapper | (cfg.get('model_wrapper_cfg') or {}) | dict(device_ids=None)
