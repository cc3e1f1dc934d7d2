"""Objects of any layout are checked, clipped to their image, and given box and area."""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import numpy as np
from pycocotools import mask as coco_mask

T = TypeVar('T')
#: Counted, where nothing of an object is left inside its image.
OUTSIDE = 'objects without area inside the image'
#: Coordinates may lie outside by so many sides of the image; what is farther is no coordinate.
_FAR = 10
#: Corners of the polygon that stands for a circle or an ellipse.
_CORNERS = 64


class Unread(Exception):
    """An object that is there and cannot be read; the message says what it is."""


def read_each(
    entries: Iterable[T], read: Callable[[T, tuple[int, int]], dict], size: tuple[int, int]
) -> list[dict]:
    """Objects of an image's entries; of those that raise :class:`Unread`, why as ``unread``."""
    things = []
    for entry in entries:
        try:
            things.append(read(entry, size))
        except Unread as error:
            things.append(dict(unread=str(error)))
    return things


def complete(thing: dict[str, Any], size: tuple[int, int]) -> dict[str, Any] | None:
    """Clip an object to its image and add box and area; ``None`` if nothing is left.

    Args:
        thing: ``label``, and ``segmentation`` (polygons or run lengths) or ``bbox`` (x, y, width,
            height), in pixels.
        size: Width and height of the image.

    Raises:
        Unread: If a number is none, or lies farther outside than ten times the image.
    """
    width, height = size
    mask = thing.get('segmentation')
    if isinstance(mask, list):
        polygons = [clip_polygon(_plausible(polygon, size), size) for polygon in mask]
        polygons = [polygon for polygon in polygons if len(polygon) >= 3]
        if not polygons:
            return None
        mask = [polygon.ravel().tolist() for polygon in polygons]
        corners = np.concatenate(polygons)
        left, top = corners.min(0).tolist()
        right, bottom = corners.max(0).tolist()
        box = [left, top, right - left, bottom - top]
        area = mask_area(mask, size)
        thing = dict(thing, segmentation=mask)
    elif mask is not None:
        box, area = coco_mask.toBbox(mask).tolist(), float(coco_mask.area(mask))
    else:
        x, y, across, down = _plausible(thing['bbox'], size).ravel().tolist()
        if across < 0 or down < 0:
            raise Unread('boxes of negative width or height')
        left, top = max(x, 0.0), max(y, 0.0)
        box = [left, top, min(x + across, width) - left, min(y + down, height) - top]
        area = max(box[2], 0.0) * max(box[3], 0.0)
    if min(box[2:]) < 1 or area <= 0:
        return None
    return dict(thing, bbox=box, area=area, iscrowd=thing.get('iscrowd', 0))


def corners_of_box(left: float, top: float, right: float, bottom: float) -> list[float]:
    """The outline of a box, x and y in turn."""
    return [left, top, right, top, right, bottom, left, bottom]


def box_of_corners(x0: float, y0: float, x1: float, y1: float) -> list[float]:
    """COCO's box of two opposite corners, whichever they are."""
    return [min(x0, x1), min(y0, y1), abs(x1 - x0), abs(y1 - y0)]


def ellipse(centre: Any, radii: Any, degrees: float = 0.0) -> np.ndarray:
    """Corners (64, 2) of the polygon that stands for an ellipse, turned clockwise."""
    angles = np.linspace(0, 2 * np.pi, _CORNERS, endpoint=False)
    points = np.asarray(radii) * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return turned(points + np.asarray(centre), np.asarray(centre), degrees)


def turned(points: np.ndarray, about: np.ndarray, degrees: float) -> np.ndarray:
    """Points in pixels, turned clockwise as the image is seen."""
    sine, cosine = np.sin(np.radians(degrees)), np.cos(np.radians(degrees))
    return (points - about) @ np.array([[cosine, sine], [-sine, cosine]]) + about


def mask_area(mask: list | dict[str, Any], size: tuple[int, int]) -> float:
    """Pixels of polygons or of run lengths, of an image of a width and height."""
    if isinstance(mask, list) or isinstance(mask['counts'], list):
        mask = coco_mask.frPyObjects(mask, size[1], size[0])
    return float(coco_mask.area(coco_mask.merge(mask) if isinstance(mask, list) else mask))


def encode_mask(mask: np.ndarray) -> dict[str, Any]:
    """COCO's run lengths, as text, of a mask (height, width)."""
    rle = coco_mask.encode(np.asfortranarray(mask, np.uint8))
    return dict(rle, counts=rle['counts'].decode())


def clip_polygon(points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The part of a polygon (N, 2) inside the image, (M, 2) (Sutherland and Hodgman, 1974)."""
    limits = np.asarray(size, float)
    if (points >= 0).all() and (points <= limits).all():
        return points
    for axis in (0, 1):
        for sign, limit in ((1.0, 0.0), (-1.0, -limits[axis])):
            if not len(points):
                return points
            inside = sign * points[:, axis] - limit  # at least 0 where a corner is inside
            after, next_inside = np.roll(points, -1, axis=0), np.roll(inside, -1)
            kept: list[np.ndarray] = []
            for here, there, a, b in zip(points, after, inside, next_inside, strict=True):
                if a >= 0:
                    kept.append(here)
                if (a >= 0) != (b >= 0):
                    kept.append(here + (there - here) * (a / (a - b)))
            points = np.array(kept).reshape(-1, 2)
    return points.clip(0, limits)


def _plausible(numbers: Any, size: tuple[int, int]) -> np.ndarray:
    """Coordinates as pairs, (N, 2)."""
    try:
        points = np.asarray(numbers, np.float64).reshape(-1, 2)
    except (TypeError, ValueError) as error:
        raise Unread('objects whose coordinates are not pairs of numbers') from error
    if not np.isfinite(points).all() or (np.abs(points) > _FAR * np.asarray(size) + 1000).any():
        raise Unread('objects with coordinates that are no numbers, or far outside the image')
    return points
