"""Images below a folder."""

import os
from pathlib import Path

from mmgreen.datasets.images import EXTENSIONS
from mmgreen.datasets.tree import look_through
from mmgreen.errors import UserError


def images_below(folder: str | os.PathLike) -> list[Path]:
    """Every image below a folder that is not hidden, sorted by name.

    Raises:
        UserError: If there is none.
    """
    tree = look_through(folder)
    found = [tree.path(name) for name in tree.images]
    if not found:
        raise UserError(f'there is no image below {folder} ({", ".join(EXTENSIONS)})')
    return found
