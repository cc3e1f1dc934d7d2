"""Files of images: which are some, whether they can be decoded, and their classes by folder.

Nothing here is slow to import.
"""

import io
import json
import os

from PIL import Image

from mmgreen.compat.bit_depth import to_eight_bits
from mmgreen.errors import UserError
from mmgreen.images import read_array

#: What counts as an image, by the end of its name.
EXTENSIONS = ('.jpg', '.jpeg', '.png', '.ppm', '.bmp', '.pgm', '.tif', '.tiff', '.webp', '.npy')


def read_class_folders(folder: str) -> tuple[str, ...]:
    """Names of the subfolders of a folder, sorted: one class each, as in ImageNet.

    Args:
        folder: Also of a pack, which remembers them.

    Raises:
        UserError: If there is none.
    """
    from .packs import INDEX

    index = os.path.join(folder, INDEX)
    if os.path.isfile(index):
        with open(index, encoding='utf-8') as file:
            names = tuple(json.load(file).get('classes') or ())
    else:
        names = tuple(sorted(e.name for e in os.scandir(folder) if e.is_dir()))
    if not names:
        raise UserError(
            f'there is no class folder in {folder}: put the images of each class into a folder of '
            'its own, or name a list of them in ann_file'
        )
    return names


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
            image.load()
            to_eight_bits(image)
    except Exception as error:  # Pillow raises what the format's decoder raises
        return f'{type(error).__name__}: {error}'
    return None
