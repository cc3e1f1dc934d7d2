"""What a detector's config says: scale, anchors, batch, length."""

from dataclasses import dataclass

import numpy as np

from .machine import Machine
from .traits import Traits

#: Longest side of an image that is trained on, and that is tested on.
_GPU_SIDES, _CPU_SIDES = (1333, 1333), (256, 512)
#: An object should cover as many pixels a side, where the image allows.
_SMALL = 16
#: Sides of the smallest anchors in strides; the strides of a narrow net's maps, and of a wide one's.
_ANCHORS, _NARROW, _WIDE = (8, 6, 4, 3, 2), (4, 8, 16, 32), (4, 8, 16, 32, 64)
#: Mean overlap that smaller anchors must gain to be taken.
_GAIN = 0.01
#: Where each image is seen as often on a GPU, it is shown with objects of others. In trainings of a CPU, where it was
#: seen 13 to 75 times, that won nothing for sure in the same time.
_OFTEN = 50
#: Where each image is seen as often on a CPU, another part of it is shown each time
#: (docs/lab/evidence-0.2.md, "Images that are seen often").
_AGAIN = 30
#: GiB that an image of a million pixels takes in mixed precision, beside the model's own; estimates.
_GIB = {'nano': 0.8, 'efficientnet-lite0': 0.8, 'tiny': 2.6, 'small': 3.4, 'base': 4.6}


@dataclass(frozen=True)
class DetectorRecipe:
    """Settings of a detector for some data on some machine.

    Attributes:
        scale: Longer and shorter side that images are resized to fit.
        zoom: How many times as large a median image then is.
        crop: Side of the crops that are trained on; None for whole images.
        anchor: Side of the smallest anchors, in strides.
        anchors: Sides of the smallest and largest anchors in pixels of the scale.
        overlap: Mean IoU of an object, as a square, with the nearest anchor; each category counts alike.
        most: Objects that an image may have.
        batch: Images a step.
        rate: Learning rate.
        steps: Length of the training.
        warm_up: Steps of rising rate.
        interval: Steps between validations.
        patience: Validations without progress after which training ends.
        workers: Processes that read images.
        pastes: Whether objects of one image are pasted into another, where they have masks.
        parts: Whether another part of an image is shown each time.
    """

    scale: tuple[int, int]
    zoom: float
    crop: int | None
    anchor: float
    anchors: tuple[float, float]
    overlap: float
    most: int
    batch: int
    rate: float
    steps: int
    warm_up: int
    interval: int
    patience: int
    workers: int
    pastes: bool
    parts: bool

    @property
    def test_share(self) -> float:
        """How many times as many pixels a test image has as one that is trained on."""
        return self.scale[0] * self.scale[1] / self.crop**2 if self.crop else 1.0


def choose(traits: Traits, machine: Machine, size: str, steps: int | None = None) -> DetectorRecipe:
    """Settings of a detector.

    Args:
        traits: Traits of the training images.
        machine: Where it is trained.
        size: Size of the backbone: ``nano``, ``tiny``, ``small`` or ``base``, or
            ``efficientnet-lite0``, which is as narrow as the first.
        steps: Length of the training; by default so that each image is seen some dozen times.
    """
    gpu = machine.gpu_memory is not None
    trained, tested = _GPU_SIDES if gpu else _CPU_SIDES
    zoom = min(tested / traits.long, max(1.0, _SMALL / traits.small))
    scale = (_to_stride(traits.long * zoom), _to_stride(traits.short * zoom))
    crop = trained if scale[0] > trained else None
    seen = crop**2 if crop else scale[0] * scale[1]
    strides = _NARROW if size in ('nano', 'efficientnet-lite0') else _WIDE
    anchor, overlap = _choose_anchors(traits, zoom, strides)
    batch = 8
    if machine.gpu_memory:
        fits = (0.85 * machine.gpu_memory - 2.5) / (_GIB[size] * seen / 1e6)
        batch = max(1, min(16, int(fits)))
    epoch = max(1, traits.images // batch)
    usual = (
        max(2000, min(90_000, epoch * (36 if traits.images < 10_000 else 12)))
        if gpu
        else max(400, min(1200, epoch * 36))
    )
    steps = steps or usual
    seen_times = steps * batch / traits.images
    interval = max(1, steps // (12 if gpu else 4))
    return DetectorRecipe(
        scale=scale,
        zoom=zoom,
        crop=crop,
        anchor=anchor,
        anchors=(anchor * strides[0], anchor * strides[-1]),
        overlap=overlap,
        most=max(100, -(-13 * traits.crowded // 100) * 10),
        batch=batch,
        # A narrow net from scratch learns at ten times the rate of a wide one.
        rate=1e-3
        if size in ('nano', 'efficientnet-lite0')
        else round(1e-4 * (batch / 16) ** 0.5, 6),
        steps=steps,
        warm_up=max(1, min(500, steps // 10)),
        interval=interval,
        patience=4 if gpu else 2,
        workers=min(4, max(1, machine.cores - 1)) if gpu else 1,
        pastes=gpu and seen_times >= _OFTEN,
        parts=not gpu and not crop and seen_times >= _AGAIN,
    )


def _choose_anchors(traits: Traits, zoom: float, strides: tuple[int, ...]) -> tuple[int, float]:
    """The anchors nearest to the sizes of objects, in strides, and their mean overlap with them."""
    sides = zoom * np.maximum(traits.sides or (traits.small, traits.middle), 1)
    best, reached = _ANCHORS[0], -1.0
    for anchor in _ANCHORS:
        ratios = sides[:, None] / (anchor * np.array(strides))
        overlap = float((np.minimum(ratios, 1 / ratios) ** 2).max(1).mean())
        if overlap > reached + _GAIN:
            best, reached = anchor, overlap
    return best, reached


def _to_stride(side: float) -> int:
    """The nearest multiple of the last stage's stride."""
    return max(64, 32 * round(side / 32))
