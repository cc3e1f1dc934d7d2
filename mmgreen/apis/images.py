"""Images below a folder."""

import os
from pathlib import Path

from mmgreen.datasets.images import EXTENSIONS
from mmgreen.datasets.tree import look_through
from mmgreen.errors import UserError


def images_below(folder: str | os.PathLike, but: str | os.PathLike | None = None) -> list[Path]:
    """Every image below a folder that is not hidden, sorted by name.

    Args:
        folder: Looked through to its depths.
        but: A folder below it that is passed over, as one of results.

    Raises:
        UserError: If there is none.
    """
    tree = look_through(folder)
    tree.say_left_out()
    found = [tree.path(name) for name in tree.images]
    if but:
        passed = Path(but).resolve()
        found = [path for path in found if passed not in path.resolve().parents]
    if not found:
        raise UserError(f'there is no image below {folder} ({", ".join(EXTENSIONS)})')
    return found
