"""Files of images: which are some, and whether they can be decoded.

Nothing here is slow to import.
"""

import io
from collections.abc import Sequence
from typing import TypeVar

from PIL import Image

from mmgreen.compat.bit_depth import to_eight_bits
from mmgreen.images import read_array

T = TypeVar('T')
#: What counts as an image, by the end of its name.
EXTENSIONS = (
    *('.jpg', '.jpeg', '.jpe', '.jfif', '.png', '.ppm', '.bmp', '.pgm', '.tif', '.tiff', '.webp'),
    '.npy',
)
#: Images, too, which are named where they are found, and not read.
UNREAD_EXTENSIONS = (
    *('.heic', '.heif', '.avif', '.gif', '.jp2', '.j2k', '.jxl', '.dng', '.cr2', '.cr3', '.nef'),
    *('.arw', '.raw', '.dcm', '.nii', '.exr', '.hdr', '.psd', '.svs', '.czi', '.nd2', '.lif'),
)


def is_image_name(name: str) -> bool:
    """Whether a file is an image, by the end of its name."""
    return name.lower().endswith(EXTENSIONS)


def evenly_spaced(items: Sequence[T], most: int) -> Sequence[T]:
    """Take at most so many items, evenly spaced, from the first on."""
    return items[:: max(1, -(-len(items) // most))]


def decoding_fault(path: str, as_array: bool = False) -> str | None:
    """Why an image file cannot be decoded in full, or ``None`` if it can.

    Args:
        path: The file.
        as_array: As ``mmgreen.LoadImage`` reads it, of any depth, and not as a picture.
    """
    try:
        if as_array:
            read_array(path)
            return None
        from mmengine import fileio  # slow to import

        with Image.open(io.BytesIO(fileio.get(path))) as image:
            to_eight_bits(image).load()
    except Exception as error:  # Pillow raises what the format's decoder raises
        return f'{type(error).__name__}: {error}'
    return None
