"""Sizes of images, as their files have them and as annotations say; their modes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from mmgreen.errors import UserError
from mmgreen.images import read_array

# Turned by a quarter: width and height change places.
_QUARTER_TURNS = (5, 6, 7, 8)
_ORIENTATION = 0x0112


@dataclass(frozen=True)
class ImageHeader:
    """What the head of an image file says.

    Attributes:
        size: Width and height as it is decoded, turned as EXIF says.
        stored: Width and height as it is stored.
        mode: Pillow's name for its channels and bits; of what Pillow does not know, type and channels.
    """

    size: tuple[int, int]
    stored: tuple[int, int]
    mode: str


def look(path: Path) -> ImageHeader | None:
    """Read the head of an image file, and no more; ``None`` if it is no image."""
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None  # nothing is decoded here
    try:
        with Image.open(path) as image:
            turned = image.getexif().get(_ORIENTATION) in _QUARTER_TURNS
            width, height = image.size
            return ImageHeader((height, width) if turned else image.size, image.size, image.mode)
    except OSError:
        pass
    finally:
        Image.MAX_IMAGE_PIXELS = limit
    if str(path).lower().endswith(('.npy', '.tif', '.tiff')):  # Pillow does not know all of them
        try:
            array = read_array(path)
        except UserError:
            return None
        size = array.shape[1], array.shape[0]
        return ImageHeader(size, size, f'{array.dtype} x {array.shape[2]}')
    return None


def describe_difference(path: Any, declared: tuple[int, int], found: tuple[int, int]) -> str:
    """Say that an image is of another size (width, height) than its annotations."""
    hint = ''
    if declared == found[::-1]:
        hint = ' (width and height are swapped: EXIF turns the image, and the annotations do not)'
    return (
        f'image {path} has {found[0]}x{found[1]} pixels, and its annotations are for '
        f'{declared[0]}x{declared[1]}{hint}'
    )


class CheckSize:
    """A step of a pipeline: refuse an image of another size than its annotations."""

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        height, width = results['img'].shape[:2]
        declared = results['width'], results['height']
        if declared != (width, height):
            raise UserError(
                describe_difference(results['img_path'], declared, (width, height))
                + ': correct width and height, or the masks, in the annotation file'
            )
        return results
