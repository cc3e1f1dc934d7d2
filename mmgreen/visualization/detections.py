"""Objects drawn into an image, in one look for all pictures: a category has one colour everywhere."""

import colorsys
from collections.abc import Sequence

import numpy as np
from matplotlib.font_manager import findfont
from PIL import Image, ImageDraw, ImageFont

from mmgreen.arrays import Bools, Floats

from .lettering import family

#: Turn of the hue from one category to the next: by the golden ratio, so that no two of a few are near.
_TURN = 0.381966
#: How much of a mask's colour lies over the image.
_OPACITY = 0.45


def category_colour(label: int) -> tuple[int, int, int]:
    """The colour of a category, RGB, by its place in the list of categories."""
    red, green, blue = colorsys.hsv_to_rgb((0.38 + label * _TURN) % 1, 0.85, 0.85)
    return round(255 * red), round(255 * green), round(255 * blue)


def draw_detections(
    image: np.ndarray,
    boxes: Floats,
    labels: Sequence[int],
    texts: Sequence[str],
    masks: Sequence[Bools] | Bools | None = None,
    size: int | None = None,
) -> np.ndarray:
    """Draw boxes, masks and what is said of each.

    Args:
        image: RGB, uint8, (height, width, 3).
        boxes: (N, 4) as x1, y1, x2, y2 in pixels.
        labels: N places of categories, which decide the colours.
        texts: N texts; names as :func:`~mmgreen.visualization.drawable` gives them.
        masks: N of (height, width).
        size: Height of the letters in pixels; by default a thirtieth of the image's shorter side, and 12 at
            least.

    Returns:
        A picture, RGB, uint8, (height, width, 3).
    """
    height, width = image.shape[:2]
    size = size or max(12, min(height, width) // 30)
    array = image.copy()
    for label, mask in zip(labels, masks if masks is not None else (), strict=False):
        paint = _OPACITY * np.array(category_colour(label))
        array[mask] = (array[mask] * (1 - _OPACITY) + paint).astype(np.uint8)
    picture = Image.fromarray(array)
    pen = ImageDraw.Draw(picture)
    font = ImageFont.truetype(findfont(family()), size)
    line = max(1, size // 7)
    outlines = [tuple(np.clip(box, 0, [width, height, width, height])) for box in boxes]
    for label, outline in zip(labels, outlines, strict=True):
        pen.rectangle(outline, outline=category_colour(label), width=line)
    for label, (left, top, _, _), text in zip(labels, outlines, texts, strict=True):
        colour = category_colour(label)
        long, high = pen.textlength(text, font) + size / 2, 1.3 * size
        x = max(0, min(left, width - long))
        y = top - high if top >= high else top  # above the box, where there is room
        pen.rectangle((x, y, x + long, y + high), fill=colour)
        bright = np.dot(colour, (0.299, 0.587, 0.114)) > 140
        pen.text((x + size / 4, y + high / 2), text, 'black' if bright else 'white', font, 'lm')
    return np.asarray(picture)
