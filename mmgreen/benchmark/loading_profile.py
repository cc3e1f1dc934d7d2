"""What loading of images spends its time on."""

import cProfile
import pstats
import time
from functools import partial
from typing import Any

from .loading_ways import Batch

#: What a share is called, and the functions whose time, with all they call, is its.
PARTS = {
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


def shares_of_loading(way: Batch, count: int) -> dict[str, float]:
    """What a batch spends its time on."""
    profile = cProfile.Profile()
    profile.runcall(way, count)
    stats: Any = pstats.Stats(profile)
    spent = dict.fromkeys(PARTS, 0.0)
    for (file, _, function), (_, _, _, seconds, _) in stats.stats.items():
        for part, names in PARTS.items():
            if f'{file}:{function}'.endswith(names):
                spent[part] += seconds
    # A batch contains its samples where those are collated within; only stacking is its own.
    shares = {part: seconds / stats.total_tt for part, seconds in spent.items()}
    return shares | {'the rest': max(0.0, 1 - sum(shares.values()))}


def shares_of_steps(dataset: Any, count: int) -> dict[str, float]:
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
