"""What a pre-training's config says: crops, unit, batch, length."""

import math
from dataclasses import dataclass

from .detector import choose as choose_detector
from .machine import Machine
from .traits import Traits

#: What a recipe in configs/own_data has: side of its crops, batch, steps, learning rate.
_KNOWN = dict(
    nano=(64, 32, 4000, 1e-3),
    tiny=(160, 128, 10_000, 4e-4),
    small=(160, 128, 10_000, 4e-4),
    base=(160, 128, 10_000, 4e-4),
)
#: GiB that an image of 160 pixels takes in mixed precision; estimates.
_GIB = dict(nano=0.01, tiny=0.05, small=0.08, base=0.11)
#: Share of an image that a small net's crop shows at least, as in configs/own_data.
_SHOWN = 0.115
#: Images from which on a pre-training was seen to help, in docs/evidence.md.
_ENOUGH = 500


@dataclass(frozen=True)
class PretrainingRecipe:
    """Settings of a pre-training for some images on some machine.

    Attributes:
        crop: Side of the crops.
        ratios: Least and largest share of an image's area that a crop shows.
        unit: Side of a mask unit; None for the recipe's own.
        batch: Images a step.
        rate: Learning rate.
        steps: Length.
        warm_up: Steps of rising rate, of another length than the recipe's own; else None.
        epochs: How often each image is then seen.
        few: Whether there are so few images that little is to be expected.
        workers: Processes that read images.
    """

    crop: int
    ratios: tuple[float, float]
    unit: int | None
    batch: int
    rate: float
    steps: int
    warm_up: int | None
    epochs: float
    few: bool
    workers: int

    def shown(self, traits: Traits) -> tuple[float, float]:
        """Sides in pixels of a square of the least and of the largest share of an image."""
        least, most = (math.sqrt(ratio * traits.long * traits.short) for ratio in self.ratios)
        return least, most


def choose(
    traits: Traits, machine: Machine, size: str, steps: int | None = None
) -> PretrainingRecipe:
    """Settings of a pre-training.

    Args:
        traits: Traits of the images; where their objects are known, crops and units follow them.
        machine: Where it is trained.
        size: Size of the backbone: ``nano``, ``tiny``, ``small`` or ``base``.
        steps: Length; by default that of the recipe in configs/own_data.
    """
    crop, batch, usual, rate = _KNOWN[size]
    is_usual, steps = steps is None, steps or usual
    if machine.gpu_memory:
        fits = (0.85 * machine.gpu_memory - 2.5) / _GIB[size]
        while batch > 16 and batch > fits:
            batch //= 2
    area = traits.long * traits.short
    unit = None
    ratios = (0.2, 1.0)
    if traits.objects and traits.middle < 32:
        # Objects become 1.3 to 2.3 times as large as they are.
        unit, zooms = 8, (2.3, 1.3)
        least, most = (min(1.0, round((crop / zoom) ** 2 / area, 4)) for zoom in zooms)
        ratios = (least, most)
    elif size == 'nano':
        # As large as the detector will see it, and a whole object of median size at least.
        zoom = choose_detector(traits, machine, size).zoom if traits.objects else 1.0
        shown = max(_SHOWN, max(crop / zoom, 1.3 * traits.middle) ** 2 / area)
        ratios = (min(0.5, round(0.7 * shown, 4)), min(1.0, round(1.4 * shown, 4)))
    workers = min(8, max(1, machine.cores - 1)) if machine.gpu_memory else 1
    return PretrainingRecipe(
        crop=crop,
        ratios=ratios,
        unit=unit,
        batch=batch,
        rate=rate * batch / _KNOWN[size][1],
        steps=steps,
        warm_up=None if is_usual else max(1, steps // 13),
        epochs=steps * batch / traits.images,
        few=traits.images < _ENOUGH,
        workers=workers,
    )
