"""How many images a core loads, and how many cores a device wants."""

import cProfile
import itertools
import math
import multiprocessing
import pstats
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import cv2
import torch
from mmengine.config import Config
from mmengine.dataset import default_collate
from mmengine.registry import DATASETS
from PIL import Image
from terminaltables import GithubFlavoredMarkdownTable

from mmgreen.config import load_config, own_scope, prepare_config
from mmgreen.errors import UserError

from .subject import Subject

#: What images are loaded for, and how many of a device's images/s are asked about.
_PROCESSES = 8
_RATES = (1_000, 2_000, 5_000, 10_000, 20_000)
_WARM_UP = 16
# What a share is called, and the functions whose time, with all they call, is its.
_PARTS = {
    'reading': ('fileio/io.py:get', '~:<built-in method io.open>'),
    'decoding': ('image.py:decode_jpeg', 'io.py:imfrombytes', 'ImageFile.py:load'),
    'cropping': (
        'functional.py:interpolate',
        'geometric.py:imresize',
        'geometric.py:imcrop',
        '_functional_pil.py:resize',
        '_functional_pil.py:crop',
    ),
    'a batch of them': ('utils.py:default_collate',),
}

Batch = Callable[[int], Any]


def measure_loading(subjects: list[Subject], rounds: int, images: int) -> list[dict]:
    """Load the training images of configs, as they and as others do it, one core each.

    Beside the configs stand, over the images and crops of the first: mmpretrain's pipeline, and
    that of the authors' code, torchvision's transforms of what Pillow decodes. All take turns.

    Args:
        subjects: Pre-training configs.
        rounds: Turns.
        images: Images in a turn.

    Returns:
        For each ``name``, ``rates`` (images/s, by turn) and ``shares`` of the time by kind.

    Raises:
        UserError: If the data are not there.
    """
    context = multiprocessing.get_context('forkserver')  # threads are set, and not set back
    with ProcessPoolExecutor(1, context) as process:
        return process.submit(_measure, subjects, rounds, images).result()


def loading_table(rows: list[dict]) -> str:
    """Images/s a core, and below them the cores that so many images/s want, in Markdown."""
    kinds = [*_PARTS, 'the rest']
    lines = [['images/s a core', '', 'times', *kinds]]
    first = rows[0]['rates']
    for row in rows:
        ratio = statistics.median(a / b for a, b in zip(row['rates'], first, strict=True))
        lines.append(
            [row['name'], f'{statistics.median(row["rates"]):,.0f}', f'{ratio:.2f}x']
            + [f'{row["shares"][kind]:.0%}' for kind in kinds]
        )
    cores = [[f'cores for each of {_PROCESSES} processes', *(f'{rate:,}/s' for rate in _RATES)]]
    for row in rows:
        core = statistics.median(row['rates'])
        cores.append([row['name'], *(f'{math.ceil(r / _PROCESSES / core)}' for r in _RATES)])
    return '\n\n'.join(GithubFlavoredMarkdownTable(table).table for table in (lines, cores))


def _measure(subjects: list[Subject], rounds: int, images: int) -> list[dict]:
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    ways: list[tuple[str, Batch, int]] = []
    configs = [load_config(subject.config, subject.settings) for subject in subjects]
    crop, *_ = [_crop(cfg) for cfg in configs]
    for subject, cfg in zip(subjects, configs, strict=True):
        prepare_config(cfg, 'train')
        loader = cfg.train_dataloader
        repeats = (loader.get('batch_sampler') or {}).get('repeats', 1)
        dataset = _build(cfg, loader.dataset)
        size = loader.batch_size
        ways.append((subject.name, _batches_of(dataset, repeats, size), size))
    first = configs[0]
    for name, dataset in (
        ("mmpretrain's pipeline", _build(first, _as_mmpretrain(first, crop))),
        (
            "the authors' pipeline",
            _AsTheAuthors(_build(first, first.train_dataloader.dataset), crop),
        ),
    ):
        size = ways[0][2]
        ways.append((name, _batches_of(dataset, 1, size), size))

    rows: list[dict] = [dict(name=name, rates=[]) for name, *_ in ways]
    for _ in range(rounds):
        for row, (_, way, size) in zip(rows, ways, strict=True):
            way(min(size, _WARM_UP))
            start = time.perf_counter()
            for count in _whole(images, size):
                way(count)
            row['rates'].append(images / (time.perf_counter() - start))
    for row, (_, way, size) in zip(rows, ways, strict=True):
        row['shares'] = _shares(way, min(size, images))
    return rows


def _crop(cfg: Config) -> dict:
    pipeline = (cfg.get('train_dataloader') or {}).get('dataset', {}).get('pipeline', [])
    for step in pipeline:
        if 'crop_ratio_range' in step:
            return step
    raise UserError(f'{cfg.filename} is no pre-training config: it takes no random crops')


def _build(cfg: Config, dataset: dict) -> Any:
    with own_scope(cfg):
        built = DATASETS.build(dataset)
        built.full_init()
    return built


def _batches_of(dataset: Any, repeats: int, size: int) -> Batch:
    """From a number of crops to a batch of them, of images in a fixed order of no locality."""
    order = torch.randperm(len(dataset), generator=torch.Generator().manual_seed(0)).tolist()
    images = itertools.cycle(order)

    def load(count: int) -> Any:
        drawn = itertools.islice(images, -(-count // repeats))
        return default_collate([dataset[i] for i in drawn for _ in range(repeats)][:count])

    return load


def _whole(images: int, size: int) -> list[int]:
    """Sizes of the batches that so many images make."""
    return [size] * (images // size) + ([images % size] if images % size else [])


def _as_mmpretrain(cfg: Config, crop: dict) -> dict:
    dataset = cfg.train_dataloader.dataset.copy()
    dataset['type'] = 'mmpretrain.CustomDataset'
    dataset['with_label'] = False
    dataset['pipeline'] = [
        dict(type='LoadImageFromFile'),
        dict(
            type='RandomResizedCrop',
            scale=crop['scale'],
            crop_ratio_range=crop['crop_ratio_range'],
            backend='pillow',
            interpolation='bicubic',
        ),
        dict(type='RandomFlip', prob=0.5),
        dict(type='PackInputs'),
    ]
    return dataset


class _AsTheAuthors:
    """Pillow decodes, torchvision transforms, and floating-point numbers are what is passed on."""

    def __init__(self, dataset: Any, crop: dict) -> None:
        from torchvision import transforms

        self._dataset = dataset
        self._transform = transforms.Compose(
            [
                transforms.RandomResizedCrop(
                    crop['scale'],
                    crop['crop_ratio_range'],
                    interpolation=transforms.InterpolationMode.BICUBIC,
                ),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
            ]
        )

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, index: int) -> Any:
        path = self._dataset.get_data_info(index)['img_path']
        with open(path, 'rb') as file:
            return self._transform(Image.open(file).convert('RGB'))


def _shares(way: Batch, count: int) -> dict[str, float]:
    """What a batch spends its time on."""
    profile = cProfile.Profile()
    profile.runcall(way, count)
    stats: Any = pstats.Stats(profile)
    spent = dict.fromkeys(_PARTS, 0.0)
    for (file, _, function), (_, _, _, seconds, _) in stats.stats.items():
        for part, names in _PARTS.items():
            if f'{file}:{function}'.endswith(names):
                spent[part] += seconds
    # A batch contains its samples where those are collated within; only stacking is its own.
    shares = {part: seconds / stats.total_tt for part, seconds in spent.items()}
    return shares | {'the rest': max(0.0, 1 - sum(shares.values()))}
