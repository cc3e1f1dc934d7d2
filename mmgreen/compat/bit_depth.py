"""Pictures of more than eight bits, shown in eight."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

    from PIL.Image import Image

# Where EXIF and TIFF say how an image is turned.
_ORIENTATION = 0x0112


def to_eight_bits(image: Image) -> Image:
    """The upper eight bits of a 16-bit picture; all others are as they were.

    Pillow's own conversion cuts everything above 255 off, so that such a picture
    is white. One of 32-bit integers, none above 255, is taken for 8 bits.

    Raises:
        ValueError: If it has more than 16 bits, or floating-point numbers, of which
            nobody knows what is black and white; or if it is a stack of several pictures.
    """
    import numpy as np
    from PIL import Image as pillow

    from mmgreen.images import count_pages, turn  # after mmcv, which it imports

    if (pages := count_pages(image)) > 1:
        raise ValueError(f'it is a stack of {pages} pages: save each as a file of its own')
    if image.format == 'TIFF':
        image = _upright(image)
    if image.mode != 'F' and not image.mode.startswith('I'):
        return image
    values = turn(np.asarray(image), image.getexif().get(_ORIENTATION, 1))
    if image.mode == 'F' or values.min() < 0 or values.max() > 65535:
        raise ValueError(
            f"pictures of Pillow's mode {image.mode} with values from {values.min()} to "
            f'{values.max()} have no black and white: convert them to 8 or 16 bits'
        )
    eight = image.mode == 'I' and values.max() <= 255
    return pillow.fromarray((values if eight else values >> 8).astype(np.uint8))


def _upright(image: Image) -> Image:
    """A TIFF turned as it says: Pillow turns it as it loads it, and scrambles what is not compressed."""
    import numpy as np
    from PIL import Image as pillow

    from mmgreen.images import turn

    orientation, size = image.getexif().get(_ORIENTATION, 1), image.size
    file = getattr(image, 'fp', None)
    if orientation < 5 or file is None:
        return image
    file.seek(0)
    content = file.read()
    image.load()
    if image.size == size:
        return image
    import tifffile  # slow to import

    return pillow.fromarray(turn(np.asarray(tifffile.imread(io.BytesIO(content))), orientation))


def install(backends: ModuleType) -> None:
    """Let mmcv's Pillow backend show them so."""
    to_array = vars(backends)['_pillow2array']

    def to_array_of_eight_bits(image, flag='color', channel_order='bgr'):
        if flag != 'unchanged':
            image = to_eight_bits(image)
        return to_array(image, flag, channel_order)

    vars(backends)['_pillow2array'] = to_array_of_eight_bits
