"""Sizes of images, as their files have them and as annotations say; their modes."""

import struct
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmgreen.errors import UserError
from mmgreen.images import count_pages, open_header, read_array

# Turned by a quarter: width and height change places.
_QUARTER_TURNS = (5, 6, 7, 8)
_ORIENTATION = 0x0112
# Of texts of a PNG that may say how an image is turned.
_KEYWORDS = (b'raw profile type exif', b'xml:com.adobe.xmp')


@dataclass(frozen=True)
class ImageHeader:
    """What the head of an image file says.

    Attributes:
        size: Width and height as it is decoded, turned as EXIF says.
        stored: Width and height as it is stored.
        mode: Pillow's name for its channels and bits; of what Pillow does not know, type and channels.
        pages: How many images the file holds: more than one is a stack, and not used.
    """

    size: tuple[int, int]
    stored: tuple[int, int]
    mode: str
    pages: int = 1


def look(path: Path) -> ImageHeader | None:
    """Read the head of an image file, and no more; ``None`` if it is no image."""
    try:
        with open_header(path) as image:
            # Of a PNG, Pillow would decode all to see whether EXIF follows its pixels.
            turned = (image.format != 'PNG' or _says_how_to_turn(path)) and (
                image.getexif().get(_ORIENTATION) in _QUARTER_TURNS
            )
            width, height = image.size
            if image.format == 'TIFF':  # Pillow turns it as it opens it
                size, stored = (width, height), (height, width) if turned else (width, height)
            else:
                size, stored = (height, width) if turned else (width, height), (width, height)
            pages = count_pages(image)
            if pages == 1:
                return ImageHeader(size, stored, image.mode)
    except (OSError, ValueError, SyntaxError):  # Pillow's decoders raise these of damaged heads
        pass
    else:
        try:
            array = read_array(path)  # pages may be channels
        except UserError:
            return ImageHeader(size, stored, image.mode, pages)
        return _of_array(array)
    if str(path).lower().endswith(('.npy', '.tif', '.tiff')):  # Pillow does not know all of them
        with suppress(UserError):
            return _of_array(read_array(path))
    return None


def _says_how_to_turn(path: Path) -> bool:
    """Whether a PNG has a chunk of EXIF, or of a text that may hold some."""
    with open(path, 'rb') as file:
        file.seek(8)
        while len(head := file.read(8)) == 8:
            length, kind = struct.unpack('>I4s', head)
            if kind == b'eXIf':
                return True
            start = file.tell()
            if kind in (b'tEXt', b'zTXt', b'iTXt') and file.read(64).lower().startswith(_KEYWORDS):
                return True
            file.seek(start + length + 4)
    return False


def _of_array(array: np.ndarray) -> ImageHeader:
    size = array.shape[1], array.shape[0]
    return ImageHeader(size, size, f'{array.dtype} x {array.shape[2]}')


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
