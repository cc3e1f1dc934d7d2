"""What a net sees in images: features of each, and of a detector what it finds and is in doubt of."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config
from pycocotools import mask as coco_mask

from mmgreen.apis import Detector, load_features, to_coco
from mmgreen.arrays import Floats
from mmgreen.config import load_config

from .doubt import LEAST_SCORE, doubt_of


@dataclass(frozen=True)
class Seen:
    """What a net sees in an image.

    Attributes:
        features: (C,), the backbone's last map, averaged.
        doubt: Of a detector, see :func:`~mmgreen.choosing.doubt.doubt_of`; None where there is none, or
            nothing was found.
        found: COCO's annotations of what a detector found, with ``label`` and ``score``.
    """

    features: Floats
    doubt: float | None = None
    found: list[dict[str, Any]] = field(default_factory=list)


class Eyes:
    """A detector, or a backbone alone, that looks at images.

    Args:
        config: Config of a detector or of a pre-training.
        checkpoint: Its checkpoint. Of a detector it can be left out: then its backbone sees by the weights that
            its training would start from, and nothing is found.
        device: By default the GPU, or else the CPU.

    Attributes:
        classes: Names of what can be found; none of a backbone alone.

    Raises:
        UserError: If config or checkpoint are not right, or no weights are trained.
    """

    def __init__(
        self,
        config: str | os.PathLike | Config,
        checkpoint: str | os.PathLike | None = None,
        device: str | None = None,
    ) -> None:
        cfg = load_config(config)
        self._detector: Detector | None = None
        self.classes: tuple[str, ...] = ()
        self.features: Callable[[Path], Floats]
        if checkpoint is None or not cfg.get('test_dataloader'):
            self.features = load_features(cfg, checkpoint, device)
        else:
            self._detector = Detector(cfg, checkpoint, device, LEAST_SCORE)
            self.classes, self.features = self._detector.classes, self._detector.features

    def look(self, path: Path) -> Seen:
        """See an image, and by a detector the same image flipped.

        Raises:
            UserError: If it cannot be read.
        """
        features = self.features(path)
        if self._detector is None:
            return Seen(features)
        array = self._detector.read(path)
        (sample,) = self._detector(array)
        (mirrored,) = self._detector(np.ascontiguousarray(array[:, ::-1]))
        found = to_coco(sample, 0)
        flipped = [_mirror(each, array.shape[1]) for each in to_coco(mirrored, 0)]
        for each in found:
            each['label'] = self.classes[each['category_id'] - 1]
        return Seen(features, doubt_of(found, flipped), found)


def _mirror(annotation: dict, width: int) -> dict:
    left, top, *size = annotation['bbox']
    mirrored = annotation | dict(bbox=[width - left - size[0], top, *size])
    if 'segmentation' in annotation:
        mask = coco_mask.decode(annotation['segmentation'])[:, ::-1]
        mirrored['segmentation'] = coco_mask.encode(np.asfortranarray(mask))
    return mirrored
