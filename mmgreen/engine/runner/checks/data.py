"""Data that a config names are there, sound, and of the same categories."""

import logging
import math
import os.path as osp
from pathlib import Path

from mmengine.config import Config, ConfigDict
from mmengine.logging import print_log

from mmgreen.config import parts
from mmgreen.datasets.annotations import Annotations, read_annotations
from mmgreen.datasets.class_folders import read_class_folders
from mmgreen.datasets.images import evenly_spaced
from mmgreen.datasets.packs import open_pack
from mmgreen.datasets.sizes import describe_difference, look
from mmgreen.errors import UserError
from mmgreen.tiles import MOST_PIXELS

from ..tiled_test_loop import TILED

#: The sizes of so many images of a dataset are compared before a run.
_MOST_COMPARED = 200


def check_datasets(cfg: Config, splits: list[str]) -> tuple[int | None, dict[str, str]]:
    """Check the datasets of some splits.

    Returns:
        The number of their categories, None where they have none, and the annotation file of each
        split of COCO's format.

    Raises:
        UserError: If one is not there or not sound, or their categories disagree.
    """
    classes: dict[str, tuple[str, ...]] = {}
    ann_files: dict[str, str] = {}
    images: dict[str, set[str]] = {}
    found = [
        (split, where, dataset)
        for split in splits
        for where, dataset in parts(
            cfg[f'{split}_dataloader'].dataset, f'{split}_dataloader.dataset'
        )
    ]
    for split, where, dataset in found:
        root = dataset.get('data_root') or ''
        if '://' in root:  # a store
            if dataset.type in ('mmgreen.UnlabelledDataset', 'mmgreen.LabelledDataset'):
                pack = open_pack(root.rstrip('/') + '/' + (dataset.get('data_prefix') or ''))
                if dataset.type == 'mmgreen.LabelledDataset':
                    classes[split] = pack.index.classes or ()
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
            classes[split] = read_class_folders(osp.join(root, prefixes))
        if not dataset.get('ann_file'):
            continue
        ann_file = osp.join(root, dataset.ann_file)
        if not osp.isfile(ann_file):
            raise UserError(f'annotation file {ann_file} does not exist ({where}.ann_file)')
        if dataset.type == 'mmgreen.CocoDataset':
            folder = osp.join(root, (prefixes or {}).get('img', ''))
            tiled = split == 'test' and (cfg.get('test_cfg') or {}).get('type') == TILED
            part = split if split not in classes else where
            classes[part] = _check_annotations(dataset, ann_file, folder, tiled)
            ann_files[split] = ann_file
            names = read_annotations(ann_file).images
            there = osp.realpath(folder)
            of_split = images.setdefault(split, set())
            of_split |= {osp.normpath(osp.join(there, name)) for name in names}

    _warn_of_shared(images)
    if not classes:
        return None, ann_files
    (first, names), *others = classes.items()
    for split, other in others:
        if names != other:
            raise UserError(
                f'{first} and {split} data disagree on their categories: '
                f'{_difference(names, other)}'
            )
    return len(names), ann_files


def _warn_of_shared(images: dict[str, set[str]]) -> None:
    """Say that a detector would be judged by images that it learns from."""
    for split in ('val', 'test'):
        shared = images.get('train', set()) & images.get(split, set())
        if shared:
            print_log(
                f'{len(shared)} of {len(images[split])} images of {split} are those of training: its '
                'figures say how well they are remembered, and nothing of new images',
                logger='current',
                level=logging.WARNING,
            )


def order_of_classes(cfg: Config, known: tuple[str, ...], source: str) -> tuple[str, ...] | None:
    """The order in which labels mean in a test what they meant in training.

    Args:
        cfg: A config with test data.
        known: Names of the model's classes.
        source: File that they are from.

    Returns:
        ``known`` where the test data list the same names in another order, else None.

    Raises:
        UserError: If the names differ.
    """
    dataset = cfg.test_dataloader.dataset
    if dataset.type != 'mmgreen.CocoDataset' or '://' in (dataset.get('data_root') or ''):
        return None
    ann_file = osp.join(dataset.get('data_root') or '', dataset.ann_file)
    names = read_annotations(ann_file).choose((dataset.get('metainfo') or {}).get('classes'))
    if known == names:
        return None
    if set(known) != set(names):
        raise UserError(
            f'checkpoint {source} was trained on other categories than {ann_file}: '
            f'{_difference(known, names)}'
        )
    print_log(f'Categories of {ann_file} are taken in the order of the checkpoint.')
    return known


def _check_annotations(
    dataset: ConfigDict, ann_file: str, images: str, in_tiles: bool
) -> tuple[str, ...]:
    """Names of the categories of a COCO dataset that can be read."""
    found = read_annotations(ann_file)
    missing = found.missing_images(images)
    if missing:
        more = f' and {len(missing) - 10} more' if len(missing) > 10 else ''
        raise UserError(
            f'{len(missing)} of {len(found.images)} images named in {ann_file} are not in {images}: '
            f'{", ".join(missing[:10])}{more}'
        )
    largest = max((math.prod(size) for size in found.sizes), default=0)
    if largest > MOST_PIXELS and not in_tiles:
        raise UserError(
            f'{ann_file} has images of up to {largest / 1e6:,.0f} million pixels, which are too large '
            'to be decoded whole: cut them for training, and test with --tile 1024'
        )
    kinds = [transform.get('color_type') or '' for transform in dataset.get('pipeline') or []]
    turned = not any('ignore_orientation' in kind for kind in kinds)
    _check_some_sizes(found, images, turned)
    masks = any(transform.get('with_mask') for transform in dataset.get('pipeline') or [])
    if masks and found.kinds['no mask']:
        raise UserError(
            f'{found.kinds["no mask"]} of {found.count} annotations in {ann_file} have no '
            'segmentation, which Mask R-CNN learns from: add masks, or let '
            'mmgreen to-coco --boxes-as-masks write the boxes as such'
        )
    if found.dropped():
        print_log(
            f'{ann_file}: of {found.count} annotations {found.dropped()} are left out of training',
            logger='current',
            level=logging.WARNING,
        )
    if found.crowds() and not dataset.get('test_mode'):
        if found.kinds['crowd'] == found.count:
            raise UserError(found.crowds())
        print_log(found.crowds(), logger='current', level=logging.WARNING)
    if found.contradiction():
        print_log(found.contradiction(), logger='current', level=logging.WARNING)
    if found.bare and not dataset.get('test_mode') and _leaves_out_empty(dataset):
        print_log(
            f'{len(found.bare)} of {len(found.images)} images of {ann_file} have no object and are '
            'left out of training: set train_dataloader.dataset.filter_cfg.filter_empty_gt=False to '
            'learn from them, too',
            logger='current',
            level=logging.WARNING,
        )
    return found.choose((dataset.get('metainfo') or {}).get('classes'))


def _check_some_sizes(found: Annotations, folder: str, turned: bool) -> None:
    """Compare the sizes of some images, evenly spaced: a fault of one is mostly a fault of many.

    The others are looked at when they are loaded, turned as EXIF says or not.
    """
    pairs = list(zip(found.images, found.sizes, strict=True))
    for name, declared in evenly_spaced(pairs, _MOST_COMPARED):
        head = look(Path(folder, name))
        size = head and (head.size if turned else head.stored)
        if size and size != declared:
            raise UserError(
                f'{describe_difference(osp.join(folder, name), declared, size)}: correct width '
                f'and height, or the masks, in {found.path}; mmgreen check lists all'
            )


def _leaves_out_empty(dataset: ConfigDict) -> bool:
    return bool((dataset.get('filter_cfg') or {}).get('filter_empty_gt'))


def _difference(names: tuple[str, ...], other: tuple[str, ...]) -> str:
    only = [f"'{name}'" for name in names if name not in other]
    also = [f"'{name}'" for name in other if name not in names]
    if not only and not also:
        return 'same names in another order'
    return f'only in the first {", ".join(only) or "none"}, only in the second ' + (
        ', '.join(also) or 'none'
    )
