"""Images of any format, depth and number of channels."""

import os
from dataclasses import dataclass

import cv2
import mmcv
import numpy as np
from mmengine import fileio

from .errors import UserError

#: Ends of names of files that hold arrays as they are.
ARRAYS = ('.npy',)
_TIFF = ('.tif', '.tiff')
#: Channels are the shorter dimension: up to so many.
_MOST_CHANNELS = 32
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
            return mmcv.imfrombytes(fileio.get(path), channel_order='rgb', backend='pillow')
        except Exception as error:  # Pillow raises what the format's decoder raises
            raise UserError(f'image {path} cannot be read: {error}') from error
    return to_picture(read_array(path))


def is_deep(path: str) -> bool:
    """Whether a file has values that eight bits and three channels cannot hold."""
    if path.lower().endswith(ARRAYS):
        return True
    if path.lower().endswith(('.jpg', '.jpeg', '.webp', '.bmp')):
        return False
    from PIL import Image

    try:
        with Image.open(path) as image:
            deep = image.mode.startswith(('I', 'F'))
    except Exception:  # of TIFF, Pillow does not know all kinds
        return path.lower().endswith(_TIFF)
    if deep or not path.lower().endswith(('.png', *_TIFF)):
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
        (height, width, channels), of integers or floating-point numbers; three channels are red,
        green and blue. Stacks of channels, (channels, height, width), are turned.

    Raises:
        UserError: If it is missing, cannot be read, or is no single image.
    """
    path = str(path)
    if not os.path.isfile(path):
        raise UserError(f'image {path} does not exist')
    try:
        if path.lower().endswith(ARRAYS):
            array = np.load(path, allow_pickle=False)
        elif path.lower().endswith(_TIFF):
            import tifffile  # slow to import

            array = tifffile.imread(path)
        else:
            array = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
            if array is None:
                raise ValueError('its format is not known')
            if array.ndim == 3:
                order = [2, 1, 0, 3][: array.shape[2]]
                array = array[..., order]
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
    return array


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
