"""A config is completed: the one place that changes one for a run."""

from typing import Any

import torch
from mmengine.config import Config, ConfigDict
from mmengine.logging import print_log

from mmgreen.config import set_num_classes, walk
from mmgreen.engine.optimizers import computes_in_bfloat16

from .checks import Findings

#: What takes the place of which upstream module, with the same settings, and why.
IN_PLACE_OF = {
    # A run that was ended in the middle of an epoch goes on there, with the same batches.
    'EpochBasedTrainLoop': 'mmgreen.ResumableEpochLoop',
    'IterBasedTrainLoop': 'mmgreen.ResumableIterLoop',
    # Checkpoints are written whole or not at all; what is left of a full disk is said.
    'CheckpointHook': 'mmgreen.CheckpointHook',
    # Losses are read back some steps later, so that no step waits for the device.
    'RuntimeInfoHook': 'mmgreen.RuntimeInfoHook',
    # Parameters of equal settings are one group, so that a step is a few kernels.
    'DefaultOptimWrapperConstructor': 'mmgreen.OptimWrapperConstructor',
    # Nothing in them waits for the device.
    'SelfSupDataPreprocessor': 'mmgreen.SelfSupDataPreprocessor',
    'DetDataPreprocessor': 'mmgreen.DetDataPreprocessor',
    # Nor do these, for each object and sample.
    'MaxIoUAssigner': 'mmgreen.MaxIoUAssigner',
    'RandomSampler': 'mmgreen.RandomSampler',
    # Pictures keep the folders of their images, so that no name is taken twice.
    'DetVisualizationHook': 'mmgreen.DetVisualizationHook',
    # A category has one colour in all pictures.
    'DetLocalVisualizer': 'mmgreen.DetVisualizer',
}
#: Those that stand anywhere in a model's settings of training.
_OF_TRAINING = ('MaxIoUAssigner', 'RandomSampler')
_SCOPES = ('', 'mmengine', 'mmdet', 'mmpretrain', 'mmgreen')
#: Hooks that every run has, and why.
ALWAYS = (
    'mmgreen.PlainCheckpointHook',  # checkpoints hold no pickled objects
    'mmgreen.StrictLoadHook',  # weights that do not fit are an error
    'mmgreen.RunRecordHook',  # what made the run and what it cost, for the report
    'mmgreen.ProgressBarHook',
)
#: Hooks that training has before them.
IN_TRAINING = (
    'mmgreen.DetectorStartHook',  # of a whole detector, what fits is kept class by class
    'mmgreen.SummaryHook',  # what is trained, and how long it will take
    'mmgreen.LayoutHook',  # masks go on at the step at which a run does
    'mmgreen.WatchHook',  # a loss that is not finite, a collapse
    'mmgreen.KeptFeaturesHook',  # a teacher's features are there before the first step
    'mmgreen.PatienceHook',  # a silent process is given up sooner in steps than in an evaluation
    'mmgreen.PreemptionHook',  # saves when a scheduler takes the machine away
)
# Optimizers that do a step in one kernel, and skip one by themselves (WatchHook).
_FUSED = ('Adam', 'AdamW')


def complete(cfg: Config, mode: str, found: Findings) -> None:
    """Complete a config that was checked.

    The number of classes and the evaluators' annotation files follow from the data. Modules of
    this project stand in for upstream's (:data:`IN_PLACE_OF`). Without a GPU, mixed precision,
    synchronised batch norm and NCCL give way to float32, batch norm and gloo.

    Args:
        cfg: Changed in place.
        mode: ``'train'`` or ``'test'``.
        found: What its check has found.
    """
    _complete_data(cfg, found)
    if mode == 'train':
        complete_model(cfg.model)
        _complete_loop(cfg)
        _repeat_images(cfg.train_dataloader)
        if 'source_ratio' in (cfg.train_dataloader.get('sampler') or {}):  # of several datasets
            cfg.train_dataloader.sampler.batch_size = cfg.train_dataloader.batch_size
        complete_optimizer(cfg)
        complete_preprocessor(cfg)
    for name in ('train', 'val', 'test'):
        loader = cfg.get(f'{name}_dataloader')
        if loader and loader.get('num_workers') == 0:  # PyTorch refuses these without workers
            loader.pop('persistent_workers', None)
            loader.pop('prefetch_factor', None)
    if cfg.get('launcher', 'none') != 'none':
        _complete_wrapper(cfg)
    if not torch.cuda.is_available():
        _do_without_gpu(cfg)
    _complete_hooks(cfg, mode)


def _complete_data(cfg: Config, found: Findings) -> None:
    if found.num_classes is not None:
        set_num_classes(cfg, found.num_classes)
    for split, ann_file in found.ann_files.items():
        evaluator = cfg.get(f'{split}_evaluator')
        if isinstance(evaluator, dict) and 'ann_file' in evaluator:
            evaluator.ann_file = ann_file
    if found.classes:
        dataset = cfg.test_dataloader.dataset
        dataset.metainfo = dict(dataset.get('metainfo') or {}, classes=found.classes)


def complete_model(model: ConfigDict) -> None:
    """Complete what a model is trained with: checkpoints to start from, and who gives boxes to objects.

    Args:
        model: Changed in place.
    """
    for _, node in walk(model):
        if 'checkpoint' in (node.get('init_cfg') or {}):  # the one thing that it can mean
            node.init_cfg.setdefault('type', 'Pretrained')
        if str(node.get('type')).rpartition('.')[2] in _OF_TRAINING:
            _replace(node)


def _replace(node: ConfigDict) -> bool:
    """Let a module of this project stand in for upstream's; whether one does."""
    scope, _, name = str(node.type).rpartition('.')
    if scope in _SCOPES:
        node.type = IN_PLACE_OF.get(name, node.type)
    return node.type in IN_PLACE_OF.values()


def _complete_loop(cfg: Config) -> None:
    loop = cfg.train_cfg
    if 'type' not in loop:
        loop.type = 'EpochBasedTrainLoop' if loop.pop('by_epoch') else 'IterBasedTrainLoop'
    _replace(loop)


def _repeat_images(loader: ConfigDict) -> None:
    """Put ``train_dataloader.repeats`` where mmengine looks for it."""
    repeats = loader.pop('repeats', 1)
    if repeats > 1:
        drop_last = loader.pop('drop_last', False)
        loader.batch_sampler = dict(
            type='mmgreen.RepeatBatchSampler', repeats=repeats, drop_last=drop_last
        )


def complete_optimizer(cfg: Config) -> None:
    """Let an optimizer's step be a few kernels.

    Args:
        cfg: Changed in place: ``optim_wrapper``.
    """
    wrapper = cfg.optim_wrapper
    if 'optimizer' in wrapper:  # not one of several
        constructor = wrapper.get('constructor', 'DefaultOptimWrapperConstructor')
        wrapper.constructor = IN_PLACE_OF.get(constructor, constructor)
        if wrapper.optimizer.type in _FUSED:
            wrapper.optimizer.setdefault('fused', True)


def complete_preprocessor(cfg: Config) -> None:
    """Let nothing in a preprocessor wait for the device.

    Args:
        cfg: Changed in place: ``data_preprocessor`` and that of the model, and ``train_dataloader``.
    """
    for part in (cfg.get('data_preprocessor'), cfg.model.get('data_preprocessor')):
        # Others, as mmpretrain's of classifiers, do not take `non_blocking`.
        if part and 'type' in part and _replace(part) and torch.cuda.is_available():
            part.setdefault('non_blocking', True)
    if torch.cuda.is_available():
        cfg.train_dataloader.setdefault('pin_memory', True)


def _do_without_gpu(cfg: Config) -> None:
    if cfg.get('env_cfg', {}).get('dist_cfg', {}).get('backend') == 'nccl':
        cfg.env_cfg.dist_cfg.backend = 'gloo'
    if cfg.get('optim_wrapper', {}).get('type') == 'AmpOptimWrapper':
        half = computes_in_bfloat16()
        cfg.optim_wrapper.type = 'mmgreen.BFloat16OptimWrapper' if half else 'OptimWrapper'
        for key in ('loss_scale', 'dtype'):
            cfg.optim_wrapper.pop(key, None)
        precision = (
            'mixed precision is of bfloat16'
            if half
            else 'training in float32 instead of mixed precision'
        )
        print_log(f'No GPU: {precision}.')
    synchronised = [node for _, node in walk(cfg.model) if node.get('type') == 'SyncBN']
    for node in synchronised:
        node.type = 'BN'
    if synchronised:
        print_log('No GPU: batch norm is not synchronised between processes.')


def _complete_wrapper(cfg: Config) -> None:
    """Let the wrapper of several processes keep one copy of the gradients, and ask for a GPU only where there is one.

    A wrapper that is set loses mmengine's default of ``broadcast_buffers``, so it is said again. Reductions are few, as
    between GPUs each costs time of its own. The graph of a detector follows from its images, so that ``static_graph`` would
    be wrong. Where a step is a CUDA graph, it gives all gradients at once.
    """
    settings: dict[str, Any] = dict(
        broadcast_buffers=False, gradient_as_bucket_view=True, bucket_cap_mb=100
    )
    own: dict[str, Any] = {} if torch.cuda.is_available() else dict(device_ids=None)
    if cfg.get('runner_type') == 'FlexibleRunner':
        if own:
            cfg.strategy.model_wrapper = settings | (cfg.strategy.get('model_wrapper') or {}) | own
        return
    given = dict(cfg.get('model_wrapper_cfg') or {})
    if not given and _is_graphed(cfg.model):
        cfg.model_wrapper_cfg = dict(type='mmgreen.FlatDataParallel')
        return
    if str(given.get('type', 'DistributedDataParallel')).endswith('DistributedDataParallel'):
        unused = cfg.get('find_unused_parameters', False)
        usual = dict(type='MMDistributedDataParallel', find_unused_parameters=unused)
        cfg.model_wrapper_cfg = usual | settings | given | own


def _is_graphed(model: ConfigDict) -> bool:
    """Whether a step may be a CUDA graph, which gives all gradients at once."""
    name = str(model.get('type')).rpartition('.')[2]
    return name == 'GreenMIM' and model.get('cuda_graph') is not False and torch.cuda.is_available()


def _complete_hooks(cfg: Config, mode: str) -> None:
    hooks = cfg.setdefault('default_hooks', ConfigDict())
    if mode == 'train':
        hooks.setdefault('runtime_info', ConfigDict(type='RuntimeInfoHook'))
        hooks.setdefault('checkpoint', ConfigDict(type='CheckpointHook', interval=1))
        replaced: tuple[str, ...] = ('runtime_info', 'checkpoint')
    else:
        replaced = ('visualization',)
    for name in replaced:
        if hooks.get(name):
            _replace(hooks[name])
    if 'type' in (cfg.get('visualizer') or {}):
        _replace(cfg.visualizer)
    cfg.custom_hooks = list(cfg.get('custom_hooks') or [])
    if mode == 'test':  # it would load the training data, to look at their loop
        cfg.custom_hooks = [h for h in cfg.custom_hooks if h.get('type') != 'EarlyStoppingHook']
    there = {hook.get('type') for hook in cfg.custom_hooks}  # in a config that a run has dumped
    names = (*IN_TRAINING, *ALWAYS) if mode == 'train' else ALWAYS
    cfg.custom_hooks += [dict(type=name) for name in names if name not in there]
