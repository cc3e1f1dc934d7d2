"""Small pictures of images and of what is annotated in them."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pycocotools import mask as coco_mask

from mmgreen.images import read_image
from mmgreen.importing import AnnotatedImage
from mmgreen.visualization import draw_detections, drawable

#: The longer side of a thumbnail in pixels.
SIDE = 320


def draw_thumbnail(path: Path, image: AnnotatedImage, categories: tuple[str, ...]) -> Image.Image:
    """An image with boxes, masks and names, reduced.

    Args:
        path: File of the image.
        image: What is annotated.
        categories: All names, which decide the colours.

    Raises:
        UserError: If it cannot be read.
    """
    pixels = read_image(path)
    height, width = pixels.shape[:2]
    scale = min(1.0, SIDE / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR))
    boxes = np.array([thing['bbox'] for thing in image.objects], float).reshape(-1, 4) * scale
    boxes[:, 2:] += boxes[:, :2]
    names = drawable([thing['label'] for thing in image.objects])
    labels = [categories.index(thing['label']) for thing in image.objects]
    masks = [_mask(thing, scale, size) for thing in image.objects]
    return Image.fromarray(draw_detections(small, boxes, labels, names, masks, size=11))


def _mask(thing: dict[str, Any], scale: float, size: tuple[int, int]) -> np.ndarray:
    """The mask on the thumbnail; of a box alone nothing is filled."""
    mask = thing.get('segmentation')
    if mask is None:
        return np.zeros(size[::-1], bool)
    if isinstance(mask, list):
        lines = [[v * scale for v in line] for line in mask]
        return coco_mask.decode(coco_mask.frPyObjects(lines, size[1], size[0])).any(2)
    if isinstance(mask['counts'], list):
        mask = coco_mask.frPyObjects(mask, *mask['size'])
    whole = Image.fromarray(coco_mask.decode(mask))
    return np.asarray(whole.resize(size, Image.Resampling.NEAREST)).astype(bool)
