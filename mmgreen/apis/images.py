"""Images below a folder."""

import os
from pathlib import Path

from mmgreen.datasets.images import EXTENSIONS, is_image_name
from mmgreen.errors import UserError


def images_below(folder: str | os.PathLike) -> list[Path]:
    """Every image below a folder, sorted by name.

    Raises:
        UserError: If there is none.
    """
    found = sorted(p for p in Path(folder).rglob('*') if is_image_name(p.name))
    if not found:
        raise UserError(f'there is no image below {folder} ({", ".join(EXTENSIONS)})')
    return found
