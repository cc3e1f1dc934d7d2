"""Sizes of images, as they are and as annotations say."""

from collections.abc import Sequence
from pathlib import Path

from mmgreen.datasets.sizes import look
from mmgreen.errors import UserError


def image_size(path: Path) -> tuple[int, int]:
    """Width and height, as the image is shown."""
    head = look(path)
    if head is None:
        raise UserError(f'image {path} cannot be read: it does not exist, or is not an image')
    return head.size


def check_size(declared: Sequence[int | None], size: tuple[int, int], path: Path) -> None:
    """Refuse annotations of an image of another size."""
    if any(declared) and tuple(declared) != size:
        raise UserError(
            f'{path} says {declared[0]}x{declared[1]} pixels, but the image has {size[0]}x{size[1]}'
        )
