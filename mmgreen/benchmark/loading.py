"""How many images a core loads, and how many cores a device wants."""

import cProfile
import itertools
import multiprocessing
import pstats
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import cv2
import torch
from mmengine.config import Config
from mmengine.dataset import default_collate
from mmengine.registry import DATASETS, FUNCTIONS
from PIL import Image
from terminaltables import GithubFlavoredMarkdownTable

from mmgreen.config import load_config
from mmgreen.engine import own_scope, prepare_run

from .subject import Subject
from .waiting import workers_wanted

#: What images are loaded for: so many devices, simulated, that train on so many images/s together.
_DEVICES = 8
_RATES = (1_000, 2_000, 5_000, 10_000, 20_000)
_WARM_UP = 16
# Images of which the steps of a pipeline are timed.
_MOST_PROFILED = 64
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

    Where the first one pre-trains, beside the configs stand, over its images and crops:
    mmpretrain's pipeline, and that of the authors' code, torchvision's transforms of what Pillow
    decodes. All take turns.

    Args:
        subjects: Configs of pre-training or of detection.
        rounds: Turns.
        images: Images in a turn.

    Returns:
        For each ``name``, ``rates`` (images/s, by turn), ``batch_size`` and ``batch_seconds`` (of each
        batch), and shares of the time: ``shares`` by kind of those that pre-train, ``steps`` of the
        pipeline of others.

    Raises:
        UserError: If the data are not there.
    """
    context = multiprocessing.get_context('forkserver')  # threads are set, and not set back
    with ProcessPoolExecutor(1, context) as process:
        return process.submit(_measure, subjects, rounds, images).result()


def loading_table(rows: list[dict]) -> str:
    """Images/s a core, and below them the cores that pre-training on so many images/s wants, in Markdown.

    Cores are those with which eight devices wait for a hundredth of their time or less, simulated
    from the times of the batches.
    """
    kinds = [*_PARTS, 'the rest']
    lines = [['images/s a core', '', 'times', *kinds]]
    first = rows[0]['rates']
    for row in rows:
        ratio = statistics.median(a / b for a, b in zip(row['rates'], first, strict=True))
        lines.append(
            [row['name'], f'{statistics.median(row["rates"]):,.0f}', f'{ratio:.2f}x']
            + [f'{row["shares"][kind]:.0%}' if 'shares' in row else '' for kind in kinds]
        )
    cores = [[f'cores for each of {_DEVICES} devices', *(f'{rate:,}/s' for rate in _RATES)]]
    for row in rows:
        if 'shares' in row:
            step = row['batch_size'] * _DEVICES
            wanted = (
                workers_wanted(row['batch_seconds'], step / rate, _DEVICES) for rate in _RATES
            )
            cores.append([row['name'], *map(str, wanted)])
    steps = [
        f'{row["name"]}: ' + ', '.join(f'{step} {part:.0%}' for step, part in row['steps'].items())
        for row in rows
        if 'steps' in row
    ]
    said = '\n'.join([GithubFlavoredMarkdownTable(lines).table, *steps])
    return said + ('\n\n' + GithubFlavoredMarkdownTable(cores).table if cores[1:] else '')


@dataclass(frozen=True)
class _Way:
    """How images are loaded, and how many are a batch."""

    name: str
    dataset: Any
    size: int
    load: Batch


def _measure(subjects: list[Subject], rounds: int, images: int) -> list[dict]:
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    configs = [load_config(subject.config, subject.settings) for subject in subjects]
    ways = []
    for subject, cfg in zip(subjects, configs, strict=True):
        cfg.model.get('backbone', {}).pop('init_cfg', None)  # images are loaded, and no weights
        prepare_run(cfg, 'train')
        ways.append(_way_of(subject.name, cfg))
    crop = _crop(configs[0])
    if crop:
        first, size = configs[0], ways[0].size
        for name, dataset in (
            ("mmpretrain's pipeline", _build(first, _as_mmpretrain(first, crop))),
            ("the authors' pipeline", _AsTheAuthors(ways[0].dataset, crop)),
        ):
            ways.append(_Way(name, dataset, size, _batches_of(dataset, 1, default_collate)))

    rows: list[dict] = [
        dict(name=way.name, rates=[], batch_size=way.size, batch_seconds=[]) for way in ways
    ]
    for _ in range(rounds):
        for row, way in zip(rows, ways, strict=True):
            way.load(min(way.size, _WARM_UP))
            seconds = 0.0
            for count in _whole(images, way.size):
                start = time.perf_counter()
                way.load(count)
                batch = time.perf_counter() - start
                seconds += batch
                row['batch_seconds'].append(batch * way.size / count)
            row['rates'].append(images / seconds)
    for row, way in zip(rows, ways, strict=True):
        if crop:
            row['shares'] = _shares(way.load, min(way.size, images))
        else:
            row['steps'] = _steps(way.dataset, min(_MOST_PROFILED, images))
    return rows


def _crop(cfg: Config) -> dict | None:
    """The random crop of a pre-training config."""
    pipeline = cfg.train_dataloader.dataset.get('pipeline') or []
    return next((step for step in pipeline if 'crop_ratio_range' in step), None)


def _way_of(name: str, cfg: Config) -> _Way:
    loader = cfg.train_dataloader
    repeats = (loader.get('batch_sampler') or {}).get('repeats', 1)
    collate = FUNCTIONS.get((loader.get('collate_fn') or {}).get('type', 'pseudo_collate'))
    dataset = _build(cfg, loader.dataset)
    return _Way(name, dataset, loader.batch_size, _batches_of(dataset, repeats, collate))


def _build(cfg: Config, dataset: dict) -> Any:
    with own_scope(cfg):
        built = DATASETS.build(dataset)
        built.full_init()
    return built


def _batches_of(dataset: Any, repeats: int, collate: Callable) -> Batch:
    """From a number of crops to a batch of them, of images in a fixed order of no locality."""
    order = torch.randperm(len(dataset), generator=torch.Generator().manual_seed(0)).tolist()
    images = itertools.cycle(order)

    def load(count: int) -> Any:
        drawn = itertools.islice(images, -(-count // repeats))
        return collate([dataset[i] for i in drawn for _ in range(repeats)][:count])

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


def _steps(dataset: Any, count: int) -> dict[str, float]:
    """What each step of a pipeline takes, and what is around them."""
    while hasattr(dataset, 'dataset'):  # wrappers
        dataset = dataset.dataset
    steps = dataset.pipeline.transforms
    spent = [0.0] * len(steps)

    def timed(number: int, results: Any) -> Any:
        start = time.perf_counter()
        found = steps[number](results)
        spent[number] += time.perf_counter() - start
        return found

    dataset.pipeline.transforms = [partial(timed, number) for number in range(len(steps))]
    start = time.perf_counter()
    for index in range(count):
        dataset[index % len(dataset)]
    whole = time.perf_counter() - start
    dataset.pipeline.transforms = steps
    shares: dict[str, float] = {}
    for step, seconds in zip(steps, spent, strict=True):
        name = type(step).__name__
        shares[name] = shares.get(name, 0.0) + seconds / whole
    return shares | {'the rest': max(0.0, 1 - sum(shares.values()))}
