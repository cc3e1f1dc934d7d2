"""From a config file to a runner, or one sentence saying why not."""

import inspect
import logging
import os.path as osp
import tempfile
from collections.abc import Iterator
from typing import Any

import torch
from mmengine.config import Config, ConfigDict
from mmengine.logging import print_log
from mmengine.registry import DATASETS, HOOKS, METRICS, MODELS, RUNNERS
from mmengine.runner import Runner

from mmgreen.errors import UserError
from mmgreen.files import explain

from .building import own_scope
from .pretrained import read_backbone
from .processes import join_processes
from .resume import settle_start

# What makes a run go on as if it had never stopped, for what of mmengine's.
_RESUMABLE = dict(
    EpochBasedTrainLoop='mmgreen.ResumableEpochLoop',
    IterBasedTrainLoop='mmgreen.ResumableIterLoop',
    CheckpointHook='mmgreen.CheckpointHook',
)


def load_config(
    filename: str | Config, options: dict | None = None, work_dir: str | None = None
) -> Config:
    """Read a config file and apply what the command line says.

    Args:
        filename: Config file, or ``package::path`` of one that an installed
            OpenMMLab package ships; or a config, of which a copy is made.
        options: ``--cfg-options``. A new ``data_root`` reaches every dataset
            and evaluator that used the old one.
        work_dir: Folder for what a run writes; by default the one of the
            config, or ``work_dirs/`` and the config's name.

    Raises:
        UserError: If the file is missing or cannot be read.
    """
    given = filename if isinstance(filename, Config) else None
    filename = (given.filename or 'config') if given else str(filename)
    shipped = '::' in filename
    if not given and not shipped and not osp.isfile(filename):
        raise UserError(f'config file {filename} does not exist')
    try:
        if given:
            cfg = given.copy()
        elif shipped:
            cfg = Config.fromstring(f'_base_ = {filename!r}', '.py')
        else:
            cfg = Config.fromfile(filename)
    except ModuleNotFoundError as error:
        raise UserError(
            f'config file {filename} needs a package that is not installed ({error}): '
            'pip install -r requirements/optional.txt'
        ) from error
    except Exception as error:  # a config is a program, and can fail in any way
        raise UserError(f'config file {filename} cannot be read: {error}') from error
    old_root = cfg.get('data_root')
    try:
        cfg.merge_from_dict(options or {})
    except (KeyError, TypeError, IndexError) as error:
        raise UserError(f'--cfg-options do not fit the config {filename}: {error}') from error
    if 'data_root' in (options or {}) and old_root:
        for _, node in _walk(cfg._cfg_dict):
            for key in ('data_root', 'ann_file', 'images'):
                value = node.get(key)
                if isinstance(value, str) and value.startswith(old_root):
                    node[key] = osp.join(cfg.data_root, value[len(old_root) :])
    # mmengine marks what is inherited from another library with its scope. Where
    # that is the scope of the run anyway, the mark says nothing, and the
    # dataloader's collate_fn would take it for an argument.
    for _, node in _walk(cfg._cfg_dict):
        if node.get('_scope_') == cfg.get('default_scope'):
            node.pop('_scope_', None)
    cfg.work_dir = (
        work_dir
        or cfg.get('work_dir')
        or osp.join('work_dirs', osp.splitext(osp.basename(filename))[0])
    )
    return cfg


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
    _check_settings(cfg)
    splits = ('train', 'val') if mode == 'train' else ('test',)
    _check_datasets(cfg, [split for split in splits if cfg.get(f'{split}_dataloader')])
    if mode == 'train':
        _check_start(cfg)
        _check_work_dir(cfg.work_dir)
        _make_resumable(cfg)

    if not torch.cuda.is_available():
        if cfg.get('env_cfg', {}).get('dist_cfg', {}).get('backend') == 'nccl':
            cfg.env_cfg.dist_cfg.backend = 'gloo'
        if cfg.get('launcher', 'none') != 'none':
            _wrap_on_cpu(cfg)
        if cfg.get('optim_wrapper', {}).get('type') == 'AmpOptimWrapper':
            cfg.optim_wrapper.type = 'OptimWrapper'
            for key in ('loss_scale', 'dtype', 'use_fsdp'):
                cfg.optim_wrapper.pop(key, None)
            print_log('No GPU: training in float32 instead of mixed precision.')
        synchronised = [node for _, node in _walk(cfg.model) if node.get('type') == 'SyncBN']
        for node in synchronised:
            node.type = 'BN'
        if synchronised:
            print_log('No GPU: batch norm is not synchronised between processes.')

    cfg.custom_hooks = list(cfg.get('custom_hooks') or [])
    if mode == 'train':
        cfg.custom_hooks += [dict(type='mmgreen.WatchHook'), dict(type='mmgreen.PreemptionHook')]
    cfg.custom_hooks += [
        dict(type='mmgreen.PlainCheckpointHook'),
        dict(type='mmgreen.StrictLoadHook'),
        dict(type='mmgreen.RunRecordHook'),
        dict(type='mmgreen.ProgressBarHook'),
    ]


def build_runner(cfg: Config, restartable: bool = False) -> Runner:
    """The runner of a config that :func:`prepare_config` has completed.

    Joins the processes of a distributed run, and decides what it goes on from.

    Args:
        cfg: Completed.
        restartable: As of :func:`settle_start`.

    Raises:
        UserError: As :func:`join_processes` and :func:`settle_start`.
    """
    join_processes(cfg)
    passed_over = settle_start(cfg, restartable)
    # Under the config's name, mmengine would hand out the visualizer of an earlier run.
    if cfg.get('visualizer'):
        cfg.visualizer.pop('name', None)
    runner = RUNNERS.build(cfg) if 'runner_type' in cfg else Runner.from_cfg(cfg)
    for message in passed_over:
        runner.logger.warning(message)
    return runner


def _make_resumable(cfg: Config) -> None:
    """Put the loop and the checkpoint hook of this project in the place of mmengine's."""
    loop = cfg.train_cfg
    if 'type' not in loop:
        loop.type = 'EpochBasedTrainLoop' if loop.pop('by_epoch') else 'IterBasedTrainLoop'
    loop.type = _RESUMABLE.get(loop.type, loop.type)
    cfg.setdefault('default_hooks', {})
    checkpoint = cfg.default_hooks.setdefault('checkpoint', dict(type='CheckpointHook', interval=1))
    checkpoint.type = _RESUMABLE.get(checkpoint.type, checkpoint.type)


def _wrap_on_cpu(cfg: Config) -> None:
    """Let no wrapper of the model ask for a GPU, as mmengine's defaults do."""
    if cfg.get('runner_type') == 'FlexibleRunner':
        if cfg.strategy.type == 'FSDPStrategy':
            raise UserError(
                f'{cfg.filename} splits the model over GPUs (strategy FSDPStrategy), and there is '
                'none: use the config without fsdp in its name'
            )
        wrapper = dict(broadcast_buffers=False) | (cfg.strategy.get('model_wrapper') or {})
        cfg.strategy.model_wrapper = wrapper | dict(device_ids=None)
        return
    unused = cfg.get('find_unused_parameters', False)
    wrapper = dict(
        type='MMDistributedDataParallel', broadcast_buffers=False, find_unused_parameters=unused
    )
    cfg.model_wrapper_cfg = wrapper | (cfg.get('model_wrapper_cfg') or {}) | dict(device_ids=None)


def _check_work_dir(folder: str) -> None:
    """Refuse a work dir that cannot be written to, and leave no trace of the attempt."""
    existing = osp.abspath(folder)
    while not osp.exists(existing):
        existing = osp.dirname(existing)
    try:
        with tempfile.TemporaryFile(dir=existing) as file:
            file.write(b'mmgreen')
    except OSError as error:
        raise UserError(
            f'nothing can be written to the work dir {folder}: {explain(error)} (--work-dir)'
        ) from error


def _walk(node: Any, path: str = '') -> Iterator[tuple[str, ConfigDict]]:
    """Every dict of a config, with the dotted path to it."""
    if isinstance(node, dict):
        yield path, node
        items = node.items()
    elif isinstance(node, list | tuple):
        items = enumerate(node)
    else:
        return
    for key, value in items:
        yield from _walk(value, f'{path}.{key}' if path else str(key))


def _check_settings(cfg: Config) -> None:
    """Refuse settings that modules of this project do not have."""
    for path, node in _walk(cfg._cfg_dict):
        kind = node.get('type')
        if not isinstance(kind, str) or not kind.startswith('mmgreen.'):
            continue
        module = next((m for r in (MODELS, DATASETS, HOOKS, METRICS) if (m := r.get(kind))), None)
        if module is None:
            raise UserError(f"{path}: there is no '{kind}'")
        settings = _settings(module)
        for key in node:
            if key not in settings and key not in ('type', '_scope_'):
                raise UserError(
                    f"{path}: {kind} has no setting '{key}'; it has {', '.join(sorted(settings))}"
                )


def _settings(module: type) -> set[str]:
    """Names of the arguments of a class, those it hands on to its bases included."""
    names: set[str] = set()
    for base in module.__mro__:
        if '__init__' in vars(base):
            parameters = inspect.signature(base.__init__).parameters.values()
            names |= {p.name for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)}
            if not any(p.kind == p.VAR_KEYWORD for p in parameters):
                break
    return names - {'self'}


def _check_start(cfg: Config) -> None:
    """Read the checkpoint that the backbone starts from, before anything is written."""
    backbone = cfg.model.get('backbone') or {}
    start = backbone.get('init_cfg')
    if not isinstance(start, dict) or start.get('type') != 'Pretrained':
        return
    if backbone.get('type') != 'mmgreen.GreenSwinTransformer':
        return
    with own_scope(cfg):
        model = MODELS.build(backbone)
    read_backbone(model, start.get('checkpoint', ''), start.get('prefix'))


def _check_datasets(cfg: Config, splits: list[str]) -> None:
    classes: dict[str, tuple[str, ...]] = {}
    for split in splits:
        where = f'{split}_dataloader.dataset'
        dataset = cfg[f'{split}_dataloader'].dataset
        while 'dataset' in dataset:  # wrappers such as RepeatDataset
            where, dataset = f'{where}.dataset', dataset.dataset

        root = dataset.get('data_root') or ''
        if '://' in root:  # a store of mmengine's file backends: nothing to look at
            continue
        if root and not osp.isdir(root):
            raise UserError(
                f'data root {root} does not exist: put the data there, or pass --cfg-options '
                f'data_root=FOLDER ({where}.data_root)'
            )
        prefixes = dataset.get('data_prefix') or ''
        for prefix in prefixes.values() if isinstance(prefixes, dict) else [prefixes]:
            if not osp.isdir(osp.join(root, prefix) or '.'):
                raise UserError(
                    f'image folder {osp.join(root, prefix)} does not exist ({where}.data_prefix)'
                )
        if dataset.type == 'mmgreen.LabelledDataset' and not dataset.get('ann_file'):
            classes[split] = _class_folders(osp.join(root, prefixes))
        if not dataset.get('ann_file'):
            continue
        ann_file = osp.join(root, dataset.ann_file)
        if not osp.isfile(ann_file):
            raise UserError(f'annotation file {ann_file} does not exist ({where}.ann_file)')
        if dataset.type == 'mmgreen.CocoDataset':
            folder = osp.join(root, (prefixes or {}).get('img', ''))
            classes[split] = _check_annotations(dataset, ann_file, folder)
            evaluator = cfg.get(f'{split}_evaluator')
            if isinstance(evaluator, dict) and 'ann_file' in evaluator:
                evaluator.ann_file = ann_file

    if not classes:
        return
    (first, names), *others = classes.items()
    for split, other in others:
        if names != other:
            raise UserError(
                f'{first} and {split} data disagree on their categories: '
                f'{_difference(names, other)}'
            )
    set_num_classes(cfg, len(names))


def set_num_classes(cfg: Config, number: int) -> None:
    """Let every part of a model have the number of classes that the data have."""
    for part in ('model', 'data_preprocessor'):
        for path, node in _walk(cfg.get(part), part):
            if 'num_classes' in node and node.num_classes != number:
                print_log(f'{path}.num_classes is {number}, as the data say.')
                node.num_classes = number


def _class_folders(folder: str) -> tuple[str, ...]:
    from mmgreen.datasets.folders import read_class_folders  # mmpretrain is slow to import

    return read_class_folders(folder)


def _check_annotations(dataset: ConfigDict, ann_file: str, images: str) -> tuple[str, ...]:
    """Names of the categories of a COCO dataset that can be read."""
    from mmgreen.datasets.annotations import read_annotations  # mmdet is slow to import

    found = read_annotations(ann_file)
    missing = found.missing_images(images)
    if missing:
        more = f' and {len(missing) - 10} more' if len(missing) > 10 else ''
        raise UserError(
            f'{len(missing)} of {len(found.images)} images named in {ann_file} are not in {images}: '
            f'{", ".join(missing[:10])}{more}'
        )
    masks = any(transform.get('with_mask') for transform in dataset.get('pipeline') or [])
    if masks and found.kinds['no mask']:
        raise UserError(
            f'{found.kinds["no mask"]} of {found.count} annotations in {ann_file} have no '
            'segmentation, which Mask R-CNN learns from: add masks, or let '
            'tools/datasets/to_coco.py --boxes-as-masks write the boxes as such'
        )
    if found.dropped():
        print_log(
            f'{ann_file}: of {found.count} annotations {found.dropped()} are left out of training',
            logger='current',
            level=logging.WARNING,
        )
    chosen = (dataset.get('metainfo') or {}).get('classes')
    return tuple(chosen) if chosen else found.categories


def _difference(names: tuple[str, ...], other: tuple[str, ...]) -> str:
    only = [f"'{name}'" for name in names if name not in other]
    also = [f"'{name}'" for name in other if name not in names]
    if not only and not also:
        return 'same names in another order'
    return f'only in the first {", ".join(only) or "none"}, only in the second ' + (
        ', '.join(also) or 'none'
    )
