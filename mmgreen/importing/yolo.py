"""Objects of YOLO: a line each, a box or the outline of a segment, in shares of the image."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from mmgreen.errors import UserError


def read_yolo(
    path: Path, size: tuple[int, int], names: tuple[str, ...], left_out: Counter
) -> Iterator[dict]:
    """Objects of a YOLO file.

    A line of five numbers is a box: the number of the category, centre, width and height.
    One of seven or more is the outline of a mask.

    Args:
        path: Text file; an image without objects has an empty one, or none.
        size: Width and height of the image.
        names: Categories, in the order of their numbers.
        left_out: Counts what is neither.
    """
    width, height = size
    if not path.exists():
        return
    for line in path.read_text(encoding='utf-8').splitlines():
        if not line.strip():
            continue
        number, *shape = (float(word) for word in line.split())
        if number not in range(len(names)):
            raise UserError(
                f'{path} has category {number:g}, but {len(names)} names are known, counted from 0'
            )
        label = names[int(number)]
        if len(shape) == 4:
            x, y, across, down = shape
            box = [(x - across / 2) * width, (y - down / 2) * height, across * width, down * height]
            yield dict(label=label, bbox=box)
        elif len(shape) >= 6 and len(shape) % 2 == 0:
            scaled = [v * (height if i % 2 else width) for i, v in enumerate(shape)]
            yield dict(label=label, segmentation=[scaled])
        else:
            left_out['lines that are neither a box nor an outline'] += 1
