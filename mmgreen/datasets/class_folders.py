"""Classes by folder."""

import json
import os

from mmgreen.errors import UserError

from .packs import INDEX
from .tree import is_hidden


def class_names(folder: str | os.PathLike) -> tuple[str, ...]:
    """Names of the subfolders that are not hidden, sorted."""
    entries = [e.name for e in os.scandir(str(folder)) if e.is_dir() and not is_hidden(e.name)]
    return tuple(sorted(entries))


def read_class_folders(folder: str) -> tuple[str, ...]:
    """Names of the subfolders of a folder, sorted: one class each, as in ImageNet.

    Args:
        folder: Also of a pack, which remembers them.

    Raises:
        UserError: If there is none.
    """
    index = os.path.join(folder, INDEX)
    if os.path.isfile(index):
        with open(index, encoding='utf-8') as file:
            names = tuple(json.load(file).get('classes') or ())
    else:
        names = class_names(folder)
    if not names:
        raise UserError(
            f'there is no class folder in {folder}: put the images of each class into a folder of '
            'its own, or name a list of them in ann_file'
        )
    return names
