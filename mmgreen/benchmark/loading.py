"""How many images a core loads, and how many cores a device wants."""

import multiprocessing
import statistics
import time
from concurrent.futures import ProcessPoolExecutor

import cv2
import torch
from mmengine.dataset import default_collate
from terminaltables import GithubFlavoredMarkdownTable

from mmgreen.config import load_config
from mmgreen.engine import prepare_run

from .loading_profile import PARTS, shares_of_loading, shares_of_steps
from .loading_ways import (
    AsTheAuthors,
    Way,
    as_mmpretrain,
    batches_of,
    build_dataset,
    crop_of,
    way_of,
)
from .subject import Subject
from .waiting import workers_wanted

#: What images are loaded for: so many devices, simulated, that train on so many images/s together.
_DEVICES = 8
_RATES = (1_000, 2_000, 5_000, 10_000, 20_000)
_WARM_UP = 16
# Images of which the steps of a pipeline are timed.
_MOST_PROFILED = 64


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
    kinds = [*PARTS, 'the rest']
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
    text = '\n'.join([GithubFlavoredMarkdownTable(lines).table, *steps])
    return text + ('\n\n' + GithubFlavoredMarkdownTable(cores).table if cores[1:] else '')


def _measure(subjects: list[Subject], rounds: int, images: int) -> list[dict]:
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    configs = [load_config(subject.config, subject.settings) for subject in subjects]
    ways = []
    for subject, cfg in zip(subjects, configs, strict=True):
        cfg.model.get('backbone', {}).pop('init_cfg', None)  # images are loaded, and no weights
        prepare_run(cfg, 'train')
        ways.append(way_of(subject.name, cfg))
    crop = crop_of(configs[0])
    if crop:
        first, size = configs[0], ways[0].size
        for name, dataset in (
            ("mmpretrain's pipeline", build_dataset(first, as_mmpretrain(first, crop))),
            ("the authors' pipeline", AsTheAuthors(ways[0].dataset, crop)),
        ):
            ways.append(Way(name, dataset, size, batches_of(dataset, 1, default_collate)))

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
            row['shares'] = shares_of_loading(way.load, min(way.size, images))
        else:
            row['steps'] = shares_of_steps(way.dataset, min(_MOST_PROFILED, images))
    return rows


def _whole(images: int, size: int) -> list[int]:
    """Sizes of the batches that so many images make."""
    return [size] * (images // size) + ([images % size] if images % size else [])
