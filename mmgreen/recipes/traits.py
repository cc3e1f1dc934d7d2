"""What matters of a dataset for a recipe."""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from mmgreen.arrays import Floats
from mmgreen.datasets.images import evenly_spaced
from mmgreen.datasets.sizes import look
from mmgreen.errors import UserError
from mmgreen.importing import Dataset

#: So many images are opened where annotations do not say their sizes.
_MOST_OPENED = 200
#: Sides that stand for those of all objects.
_SIDES = 100


@dataclass(frozen=True)
class Traits:
    """Numbers of the training images.

    Attributes:
        images: How many.
        long: Median of the longer sides in pixels.
        short: Median of the shorter sides.
        objects: How many, crowds left out.
        small: Side of a square of an object's area, that of the smallest tenth.
        middle: The median of these sides.
        rare: Categories that are in less than half as many images as the median one, with their shares of
            the images.
        usual: Half of the median category's share.
        sides: Such sides from small to large, at equal steps of their number; each category counts alike.
        crowded: Objects in an image, in the fullest hundredth.
        crowds: Regions that are to be ignored.
    """

    images: int
    long: int
    short: int
    objects: int = 0
    small: float = 0.0
    middle: float = 0.0
    crowded: int = 0
    crowds: int = 0
    sides: tuple[float, ...] = ()
    rare: tuple[tuple[str, float], ...] = ()
    usual: float = 0.0


def measure(dataset: Dataset) -> Traits:
    """Measure the training images.

    Raises:
        UserError: If none can be read, or none has an object though others do.
    """
    images = dataset.splits['train']
    sizes = [image.size for image in images if min(image.size)]
    if not sizes:
        some = evenly_spaced(images, _MOST_OPENED)
        heads = [look(dataset.folder / image.name) for image in some]
        sizes = [head.size for head in heads if head]
    if not sizes:
        raise UserError(f'no image of {dataset.folder} can be read')
    sides = np.sort(np.array(sizes), axis=1)
    short, long = (int(side) for side in np.median(sides, axis=0))
    if not dataset.labelled:
        return Traits(len(images), long, short)
    real = [[o for o in image.objects if not o['iscrowd']] for image in images]
    areas = [thing['area'] for things in real for thing in things]
    names = [thing['label'] for things in real for thing in things]
    if not areas:
        raise UserError(f'no training image of {dataset.folder} has an object')
    small, middle = np.sqrt(np.percentile(areas, [10, 50]))
    crowded = int(np.percentile([len(things) for things in real], 99))
    crowds = sum(len(image.objects) for image in images) - len(areas)
    rare, usual = _rare([{thing['label'] for thing in things} for things in real])
    return Traits(
        len(images),
        long,
        short,
        len(areas),
        float(small),
        float(middle),
        crowded,
        crowds,
        _quantiles(np.sqrt(areas), names),
        rare,
        usual,
    )


def _rare(labels: list[set[str]]) -> tuple[tuple[tuple[str, float], ...], float]:
    """Categories in less than half as many images as the median one, the rarest first, and this half."""
    counts = Counter(label for some in labels for label in some)
    shares = {label: count / len(labels) for label, count in counts.items()}
    usual = float(np.median(list(shares.values()))) / 2
    rare = sorted((share, label) for label, share in shares.items() if share < usual)
    return tuple((label, share) for share, label in rare), usual


def _quantiles(sides: Floats, names: list[str]) -> tuple[float, ...]:
    """``_SIDES`` of the sides, evenly spaced, where all objects of a category weigh as much as those of another."""
    _, category, counts = np.unique(names, return_inverse=True, return_counts=True)
    order = np.argsort(sides, kind='stable')
    below = np.cumsum((1 / counts)[category][order])
    middles = (np.arange(_SIDES) + 0.5) / _SIDES * below[-1]
    return tuple(sides[order][np.searchsorted(below, middles).clip(max=len(sides) - 1)].tolist())
