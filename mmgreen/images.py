"""Images of any format, depth and number of channels."""

import os
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import mmcv
import numpy as np
from mmengine import fileio

from .errors import UserError

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

#: Ends of names of files that hold arrays as they are.
ARRAYS = ('.npy',)
_TIFF = ('.tif', '.tiff')
#: Channels are the shorter dimension: up to so many.
_MOST_CHANNELS = 32
#: Bytes of an image, decoded, from which on a file is refused that is less than a five-hundredth of
#: them: it is a trap, or a picture of nothing.
_LARGE, _PACKED = 2**29, 500
# Where TIFF and EXIF say how an image is turned, and what else a page of a TIFF is.
_ORIENTATION, _SUBFILE = 0x0112, 254
_REDUCED_OR_MASK = 1 | 4
#: Percentiles of an image that are shown as black and white, where nothing says what is.
_SHOWN = (0.5, 99.5)


@dataclass(frozen=True)
class Levels:
    """Which values of an image are black and white.

    Attributes:
        low: Black, 0 of 255; what is below is black, too.
        high: White, 255.

    Raises:
        UserError: If they are not in that order.
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise UserError(f'low {self.low} must be below high {self.high}')

    def apply(self, values: np.ndarray) -> np.ndarray:
        """Values as float32 between 0 and 255; what is no number is black."""
        scaled = (values.astype(np.float32) - self.low) * (255 / (self.high - self.low))
        return np.nan_to_num(scaled, nan=0.0, posinf=255.0).clip(0, 255)


def read_image(path: str | os.PathLike) -> np.ndarray:
    """Read an image to be looked at: RGB, uint8, (height, width, 3).

    One of more than eight bits, of floating-point numbers or of another number of channels than one,
    three or four is shown between its 0.5th and 99.5th percentile, its first three channels as red,
    green and blue.

    Raises:
        UserError: If it is missing, or cannot be decoded to its end.
    """
    path = str(path)
    packed = '://' in path
    if not packed and not os.path.isfile(path):
        raise UserError(f'image {path} does not exist')
    if packed or not is_deep(path):  # a pack has no deep ones
        try:
            if not packed:
                _refuse_trap(path)
            return mmcv.imfrombytes(fileio.get(path), channel_order='rgb', backend='pillow')
        except UserError:
            raise
        except Exception as error:  # Pillow raises what the format's decoder raises
            raise UserError(f'image {path} cannot be read: {error}') from error
    return to_picture(read_array(path))


def is_deep(path: str) -> bool:
    """Whether a file has values that eight bits and three channels cannot hold."""
    if path.lower().endswith(ARRAYS):
        return True
    try:
        with open_header(path) as image:
            deep, format = image.mode.startswith(('I', 'F')), image.format
    except Exception:  # of TIFF, Pillow does not know all kinds
        return path.lower().endswith(_TIFF)
    if deep or format not in ('PNG', 'TIFF'):  # whatever the name says
        return deep
    # Pillow shows some of 16 bits and several channels as if they had eight.
    try:
        array = read_array(path)
    except UserError:  # whoever reads it says so
        return False
    return array.dtype != np.uint8 or array.shape[2] not in (1, 3, 4)


def read_array(path: str | os.PathLike) -> np.ndarray:
    """Read the values of an image as they are stored.

    Returns:
        (height, width, channels), of integers or floating-point numbers, turned as EXIF says; three
        channels are red, green and blue. Stacks of channels, (channels, height, width), are turned;
        pages of a TIFF are channels where the file calls them so.

    Raises:
        UserError: If it is missing, cannot be read, is a stack of several images, or would take
            half a gigabyte of memory and five hundred times its length.
    """
    path = str(path)
    if not os.path.isfile(path):
        raise UserError(f'image {path} does not exist')
    try:
        if path.lower().endswith(ARRAYS):
            array, orientation = np.load(path, allow_pickle=False), 1
        elif _is_tiff(path):
            array, orientation = _read_tiff(path)
        else:
            _refuse_trap(path)
            array = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
            if array is None:
                raise ValueError('its format is not known')
            if array.ndim == 3:
                order = [2, 1, 0, 3][: array.shape[2]]
                array = array[..., order]
            orientation = _orientation(path)
    except UserError:
        raise
    except Exception as error:  # each decoder raises what it likes
        raise UserError(f'image {path} cannot be read: {error}') from error
    if array.dtype == bool:
        array = array.astype(np.uint8) * 255
    if array.dtype.kind not in 'iuf':
        raise UserError(
            f'image {path} has values of type {array.dtype}, which cannot be shown as brightness'
        )
    array = array.reshape([side for side in array.shape if side > 1] or [1, 1])
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim == 3 and array.shape[0] <= _MOST_CHANNELS < min(array.shape[1:]):
        array = np.moveaxis(array, 0, -1)
    if array.ndim != 3 or array.shape[2] > _MOST_CHANNELS:
        raise UserError(
            f'image {path} is an array of {" x ".join(map(str, array.shape))}: save each image of up to '
            f'{_MOST_CHANNELS} channels as a file of its own'
        )
    return turn(array, orientation)


def open_header(path: str | os.PathLike) -> 'PillowImage':
    """Open an image file with Pillow to read its head, however large the image is.

    Pillow refuses large images as it opens them, before anything is decoded.

    Raises:
        OSError: If it cannot be read, or is no image.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        return Image.open(path)
    except Image.DecompressionBombError:
        with open(path, 'rb') as file:
            prefix = file.read(16)
        for factory, accept in Image.OPEN.values():
            if accept and accept(prefix) is True:
                return factory(open(path, 'rb'), str(path))
        raise UnidentifiedImageError(f'cannot identify image file {path}') from None


def count_pages(image: 'PillowImage') -> int:
    """How many pictures a TIFF holds; of other formats, which may be animated, the first one counts.

    Smaller copies and masks are no pictures of their own.
    """
    if image.format != 'TIFF' or getattr(image, 'n_frames', 1) == 1:
        return 1
    pages = 0
    for frame in range(image.n_frames):  # type: ignore[attr-defined]
        image.seek(frame)
        pages += not int(image.tag_v2.get(_SUBFILE, 0)) & _REDUCED_OR_MASK  # type: ignore[attr-defined]
    image.seek(0)
    return pages


def _is_tiff(path: str) -> bool:
    with open(path, 'rb') as file:
        return file.read(4) in (b'II*\0', b'MM\0*', b'II+\0', b'MM\0+')


def _read_tiff(path: str) -> tuple[np.ndarray, int]:
    """The one image of a TIFF, and how it is turned.

    Pages are its channels where the file says so (axes C or S).
    """
    import tifffile  # slow to import

    with tifffile.TiffFile(path) as file:
        series = file.series[0]
        _refuse_trap(path, series.nbytes)
        sides = [
            (axis, side) for axis, side in zip(series.axes, series.shape, strict=True) if side > 1
        ]
        whole = [s for s in file.series if s.shape[-2:] == series.shape[-2:]]
        if len(whole) > 1:
            raise UserError(f'image {path} is a stack of {len(whole)} pages: save each as a file')
        first = sides[0] if len(sides) == 3 else ('Y', 0)
        if len(sides) == 3 and first[0] not in 'YXCS' and sides[-1][1] > _MOST_CHANNELS:
            raise UserError(
                f'image {path} is a stack of {first[1]} pages: save each as a file of its own, or, if '
                'they are channels, say so in the file (axes CYX of ImageJ or OME, or height, width, '
                'channels)'
            )
        try:
            return series.asarray(), _orientation(path)
        except ValueError as error:  # a compression that it needs another package for
            from PIL import Image

            with Image.open(path) as image:
                array = np.asarray(image)  # which Pillow has turned
            if array.dtype != series.dtype:  # it would cut off bits
                raise UserError(
                    f'image {path} is compressed in a way that is not known ({error}): save it without'
                ) from error
            return array, 1


def decoded_bytes(path: str | os.PathLike) -> int | None:
    """How many bytes an image takes once it is decoded, from its head alone; None if it is no image."""
    path = str(path)
    with suppress(Exception):  # each reader raises what it likes of damaged heads
        if path.lower().endswith(ARRAYS):
            return int(np.load(path, mmap_mode='r', allow_pickle=False).nbytes)
        if path.lower().endswith(_TIFF):
            import tifffile

            with tifffile.TiffFile(path) as file:
                return max(series.nbytes for series in file.series)
    # Readers go by content, whatever the name says.
    with suppress(Exception), open_header(path) as image:
        wide = {'I': 4, 'F': 4}.get(image.mode[:1], 1)
        return image.width * image.height * len(image.getbands()) * wide
    return None


def _refuse_trap(path: str, decoded: int | None = None) -> None:
    if decoded is None:
        with suppress(OSError), open_header(path) as image:
            decoded = image.width * image.height * len(image.getbands())
    size = os.path.getsize(path)
    if decoded and decoded > _LARGE and decoded > _PACKED * size:
        raise UserError(
            f'image {path} of {size:,} bytes would take {decoded / 2**30:.1f} GiB of memory: it is '
            'damaged, or empty; save it smaller'
        )


def _orientation(path: str) -> int:
    """How EXIF says that an image is turned; 1 where it is not."""
    try:
        with open_header(path) as image:
            return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # of TIFF, Pillow does not know all kinds
        return 1


def turn(array: np.ndarray, orientation: int) -> np.ndarray:
    """Turn an array as an orientation of EXIF, from 2 to 8, says."""
    if orientation in (5, 6, 7, 8):
        array = array.swapaxes(0, 1)
    # After that, which of them are mirrored.
    down = {3: True, 4: True, 7: True, 8: True}.get(orientation, False)
    across = {2: True, 3: True, 6: True, 7: True}.get(orientation, False)
    return np.ascontiguousarray(array[:: -1 if down else 1, :: -1 if across else 1])


def to_picture(array: np.ndarray) -> np.ndarray:
    """An image of any kind as RGB, uint8, (height, width, 3), to be looked at."""
    some = array[..., :3] if array.shape[2] >= 3 else array[..., :1].repeat(3, axis=2)
    if some.dtype == np.uint8:
        return np.ascontiguousarray(some)
    finite = some[np.isfinite(some)]
    low, high = np.percentile(finite, _SHOWN) if finite.size else (0, 1)
    return (
        Levels(float(low), float(high) if high > low else float(low) + 1)
        .apply(some)
        .astype(np.uint8)
    )
