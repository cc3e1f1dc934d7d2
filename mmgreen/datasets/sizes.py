"""Sizes of images, as their files have them and as annotations say."""

from pathlib import Path
from typing import Any

from PIL import Image

from mmgreen.errors import UserError

# Turned by a quarter: width and height change places.
_QUARTER_TURNS = (5, 6, 7, 8)
_ORIENTATION = 0x0112


def stored_size(path: Path) -> tuple[int, int]:
    """Width and height of an image as it is stored, before EXIF turns it.

    Raises:
        OSError: If it is no image.
    """
    with Image.open(path) as image:
        return image.size


def decoded_size(path: Path) -> tuple[int, int]:
    """Width and height of an image as it is decoded, turned as EXIF says; reads its head only.

    Raises:
        OSError: If it is no image.
    """
    with Image.open(path) as image:
        width, height = image.size
        turned = image.getexif().get(_ORIENTATION) in _QUARTER_TURNS
    return (height, width) if turned else (width, height)


def describe_difference(path: Any, said: tuple[int, int], found: tuple[int, int]) -> str:
    """Say that an image is of another size (width, height) than its annotations."""
    hint = ''
    if said == found[::-1]:
        hint = ' (width and height are swapped: EXIF turns the image, and the annotations do not)'
    return (
        f'image {path} has {found[0]}x{found[1]} pixels, and its annotations are for '
        f'{said[0]}x{said[1]}{hint}'
    )


class CheckSize:
    """A step of a pipeline: refuse an image of another size than its annotations."""

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        height, width = results['img'].shape[:2]
        said = results['width'], results['height']
        if said != (width, height):
            raise UserError(
                describe_difference(results['img_path'], said, (width, height))
                + ': correct width and height, or the masks, in the annotation file'
            )
        return results
