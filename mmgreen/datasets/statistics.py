"""Depth, range and channels of images, and what to make of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track

from mmgreen.errors import UserError
from mmgreen.images import Levels, is_deep, read_array

#: So many images are measured, by so many pixels of each.
_IMAGES, _PIXELS = 200, 20_000
#: Percentiles of all values that become black and white.
_BLACK, _WHITE = 0.1, 99.9


@dataclass(frozen=True)
class Statistics:
    """Numbers of some images.

    Attributes:
        dtype: Type of the values.
        channels: Channels of an image.
        least: The least value.
        most: The largest.
        low: What should be black: 0 of 8 bits, else the 0.1th percentile.
        high: What should be white.
        mean: Mean of each channel, once black is 0 and white 255.
        std: Deviation of each channel, in the same scale.
        deep: Whether eight bits and three channels cannot hold them.
    """

    dtype: str
    channels: int
    least: float
    most: float
    low: float
    high: float
    mean: list[float]
    std: list[float]
    deep: bool

    def __str__(self) -> str:
        numbers = ', '.join(f'{m:.1f} ({s:.1f})' for m, s in zip(self.mean, self.std, strict=True))
        return (
            f'{self.dtype}, channels {self.channels}, values {self.least:g} to {self.most:g}, black '
            f'{self.low:g}, white {self.high:g}; mean (deviation) of each channel then {numbers}'
        )


def measure_images(paths: Sequence[Path]) -> Statistics:
    """Measure images, of very many some, evenly spaced.

    Raises:
        UserError: If one cannot be read, or they have different numbers of channels, or types.
    """
    some = paths[:: -(-len(paths) // _IMAGES)]
    rng = np.random.default_rng(0)
    samples, deep = [], False
    kinds: dict[tuple[str, int], Path] = {}
    for path in track(some, 'Statistics', console=Console(stderr=True), transient=True):
        array = read_array(path)
        deep = deep or is_deep(str(path))
        kinds.setdefault((str(array.dtype), array.shape[2]), path)
        pixels = array.reshape(-1, array.shape[2])
        samples.append(pixels[rng.integers(len(pixels), size=min(_PIXELS, len(pixels)))])
    if len(kinds) > 1 and deep:
        listed = ', '.join(f'{path} {c} x {dtype}' for (dtype, c), path in kinds.items())
        raise UserError(
            f'images are of different kinds (channels x type: {listed}): convert them to one'
        )
    if len(kinds) > 1:  # grey, with or without alpha: all are shown with three channels
        samples = [s[:, :3] if s.shape[1] >= 3 else s[:, :1].repeat(3, axis=1) for s in samples]
    values = np.concatenate(samples).astype(np.float64)
    values = values[np.isfinite(values).all(1)]
    if not values.size:
        raise UserError(f'images such as {some[0]} hold no finite number')
    dtype = next(iter(kinds))[0]
    low, high = (0.0, 255.0) if dtype == 'uint8' else np.percentile(values, [_BLACK, _WHITE])
    if low >= high:
        raise UserError(f'images such as {some[0]} are of one value, {low:g}')
    scaled = Levels(float(low), float(high)).apply(values)
    return Statistics(
        dtype=dtype,
        channels=values.shape[1],
        least=float(values.min()),
        most=float(values.max()),
        low=float(f'{low:.4g}'),
        high=float(f'{high:.4g}'),
        mean=[round(float(m), 2) for m in scaled.mean(0)],
        std=[round(max(float(s), 1e-2), 2) for s in scaled.std(0)],
        deep=deep,
    )
