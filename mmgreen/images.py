"""Images of any format that Pillow knows."""

import os

import mmcv
import numpy as np

from .errors import UserError


def read_image(path: str | os.PathLike) -> np.ndarray:
    """Read an image as RGB, uint8, (height, width, 3).

    Raises:
        UserError: If it is missing, or cannot be decoded to its end.
    """
    if not os.path.isfile(path):
        raise UserError(f'image {path} does not exist')
    try:
        return mmcv.imread(str(path), channel_order='rgb', backend='pillow')
    except Exception as error:  # Pillow raises what the format's decoder raises
        raise UserError(f'image {path} cannot be read: {error}') from error
