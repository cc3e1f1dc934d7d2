"""From masks to polygons, along the edges of their pixels."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import shapely
from pycocotools import mask as coco_mask
from shapely.geometry import MultiPolygon, Polygon


def outline(mask: dict[str, Any], tolerance: float) -> list[Polygon]:
    """The parts of a mask, each with its holes.

    Args:
        mask: COCO's run lengths.
        tolerance: Pixels by which an edge may be moved, so that there are fewer corners; at 0 the
            polygons have just the pixels of the mask.

    Returns:
        The parts, largest first; one at least, where the mask has a pixel.
    """
    columns = coco_mask.decode(mask).T.astype(np.int8)
    edges = np.diff(np.pad(columns, ((0, 0), (1, 1))), axis=1)
    (x, top), (_, bottom) = np.nonzero(edges == 1), np.nonzero(edges == -1)
    if not len(x):
        return []
    exact = shapely.union_all(shapely.box(x, top, x + 1, bottom))
    # Without the corners along straight edges.
    exact = shapely.normalize(exact).simplify(0)
    parts = [part for part in _parts(exact.simplify(tolerance)) if part.area > 0]
    return sorted(parts or _parts(exact), key=lambda part: -part.area)


def _parts(shape: Polygon | MultiPolygon) -> list[Polygon]:
    return [part for part in shapely.get_parts(shape) if isinstance(part, Polygon)]


def corners(ring: Any) -> list[list[float]]:
    """The corners of a ring, x and y each, the last one not the first again."""
    points: list[list[float]] = shapely.get_coordinates(ring)[:-1].tolist()
    return points


def in_one_line(parts: list[Polygon]) -> list[list[float]]:
    """One closed line around all parts and their holes, which goes from one to the next and back on the same way."""
    line, *others = _rings(parts)
    for ring in others:
        # Over the shortest way.
        apart = np.linalg.norm(line[:, None] - ring[None], axis=2)
        here, there = np.unravel_index(apart.argmin(), apart.shape)
        around = np.concatenate([np.roll(ring, -there, axis=0), ring[there : there + 1]])
        line = np.concatenate([line[: here + 1], around, line[here:]])
    points: list[list[float]] = line.tolist()
    return points


def _rings(parts: list[Polygon]) -> Iterator[np.ndarray]:
    """Outer rings one way round, and holes the other."""
    for part in parts:
        turned = shapely.geometry.polygon.orient(part)
        for ring in (turned.exterior, *turned.interiors):
            yield shapely.get_coordinates(ring)[:-1]
