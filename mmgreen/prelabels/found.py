"""What was found in an image, as writers of labelling tools' files take it."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask
from shapely.geometry import Polygon

from .outlines import outline


@dataclass
class FoundObject:
    """An object that a detector has found.

    Attributes:
        label: Name of the category.
        score: How sure the detector is, 0 to 1.
        box: Left, top, width, height in pixels.
        mask: COCO's run lengths; None of a detector of boxes.
        tolerance: See :func:`mmgreen.prelabels.outlines.outline`.
    """

    label: str
    score: float
    box: list[float]
    mask: dict[str, Any] | None
    tolerance: float

    @cached_property
    def parts(self) -> list[Polygon]:
        """The mask as polygons; none without a mask, or of an empty one."""
        return outline(self.mask, self.tolerance) if self.mask else []

    @property
    def has_holes(self) -> bool:
        return any(part.interiors for part in self.parts)

    def patch(self) -> tuple[int, int, np.ndarray]:
        """Left and top of the mask's box in whole pixels, and the mask inside it, bool (height, width)."""
        whole = coco_mask.decode(self.mask).astype(bool)
        left, top, width, height = (int(v) for v in coco_mask.toBbox(self.mask))
        return left, top, whole[top : top + height, left : left + width]


@dataclass
class FoundImage:
    """An image and what was found in it.

    Attributes:
        name: Path below the folder of images, with forward slashes.
        size: Width and height in pixels, as the image is shown.
        objects: In the order in which the detector gave them.
    """

    name: str
    size: tuple[int, int]
    objects: list[FoundObject]


def found_images(found: dict[str, list[dict]], tolerance: float) -> list[FoundImage]:
    """The images of a COCO file of detections.

    Args:
        found: What :func:`mmgreen.apis.detect_folder` gives.
        tolerance: Pixels by which outlines may deviate from masks.
    """
    names = {category['id']: category['name'] for category in found['categories']}
    images = {
        entry['id']: FoundImage(entry['file_name'], (entry['width'], entry['height']), [])
        for entry in found['images']
    }
    for thing in found['annotations']:
        images[thing['image_id']].objects.append(
            FoundObject(
                label=names[thing['category_id']],
                score=thing['score'],
                box=thing['bbox'],
                mask=thing.get('segmentation'),
                tolerance=tolerance,
            )
        )
    return list(images.values())
