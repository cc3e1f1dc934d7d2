"""Label Studio's own export (JSON): tasks, with what was drawn in per cent of the image."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import numpy as np
from pycocotools import mask as coco_mask

from mmgreen.datasets.images import is_image_name
from mmgreen.errors import UserError

from .dataset import AnnotatedImage
from .objects import complete
from .sizes import check_size, image_size

# What Label Studio puts before the name of a file that was uploaded.
_UPLOADED = re.compile(r'^[0-9a-f]{8}-')
_DRAWN = ('rectanglelabels', 'polygonlabels', 'ellipselabels', 'brushlabels')
_CORNERS = 64  # of the polygon that stands for an ellipse
_MOST_LISTED = 5


def find_label_studio(folder: Path) -> list[Path]:
    """Files of the folder that are lists of tasks."""
    return [path for path in sorted(folder.glob('*.json')) if _tasks(path)]


def read_label_studio(folder: Path, path: Path, left_out: Counter) -> list[AnnotatedImage]:
    """Images and their objects.

    The first annotation of a task that was not cancelled counts. An image is looked for below the
    folder by its name, without what Label Studio put before it.

    Args:
        folder: Folder of the images.
        path: The export.
        left_out: Counts what is left out.

    Raises:
        UserError: If an image is not there or has another size, or a result is of no known form.
    """
    there: dict[str, list[Path]] = defaultdict(list)
    for image in sorted(folder.rglob('*')):
        if is_image_name(image.name):
            there[image.name].append(image)
    found, missing = [], []
    for task in _tasks(path):
        kept = [a for a in task['annotations'] if not a.get('was_cancelled')]
        if not kept:
            left_out['tasks without an annotation'] += 1
            continue
        name = _image_name(task)
        images = there.get(name) or there.get(_UPLOADED.sub('', name)) or []
        if len(images) != 1:
            missing.append(name)
            continue
        size = image_size(images[0])
        try:
            objects = list(_objects(kept[0]['result'], size, images[0], left_out))
        except (KeyError, TypeError, ValueError, IndexError) as error:
            if isinstance(error, UserError):
                raise
            raise UserError(
                f'task {task.get("id")} of {path} is not of Label Studio: {type(error).__name__} {error}'
            ) from error
        whole = [entire for thing in objects if (entire := complete(thing, size)) is not None]
        left_out['objects without area inside the image'] += len(objects) - len(whole)
        found.append(AnnotatedImage(images[0].relative_to(folder).as_posix(), size, whole))
    if missing:
        more = f' and {len(missing) - _MOST_LISTED} more' if len(missing) > _MOST_LISTED else ''
        raise UserError(
            f'{len(missing)} images of {path} are not below {folder}, or several times: '
            f'{", ".join(missing[:_MOST_LISTED])}{more}'
        )
    return found


def _tasks(path: Path) -> list[dict]:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return []
    if not isinstance(content, list):
        return []
    return (
        content
        if all(isinstance(t, dict) and {'data', 'annotations'} <= t.keys() for t in content)
        else []
    )


def _image_name(task: dict) -> str:
    values = [value for value in task['data'].values() if isinstance(value, str)]
    for value in values:
        name = unquote(value.split('?')[0]).replace('\\', '/').rsplit('/', 1)[-1]
        if is_image_name(name):
            return name
    raise UserError(f'task {task.get("id")} of Label Studio names no image, only {values}')


def _objects(
    results: list[dict], size: tuple[int, int], image: Path, left_out: Counter
) -> Iterator[dict]:
    width, height = size
    for result in results:
        kind, value = result.get('type'), result.get('value') or {}
        labels = value.get(kind)
        if kind not in _DRAWN or not labels:  # relations, choices, texts
            left_out[f'results of type {kind}'] += 1
            continue
        check_size((result['original_width'], result['original_height']), size, image)
        scale = np.array([width, height]) / 100
        if kind == 'rectanglelabels':
            corners = _rectangle(value, scale)
            left, top = corners.min(0)
            right, bottom = corners.max(0)
            yield dict(label=labels[0], bbox=[left, top, right - left, bottom - top])
        elif kind == 'polygonlabels':
            points = np.asarray(value['points'], float) * scale
            yield dict(label=labels[0], segmentation=[points.ravel().tolist()])
        elif kind == 'ellipselabels':
            yield dict(label=labels[0], segmentation=[_ellipse(value, scale).ravel().tolist()])
        else:
            mask = decode_brush(value['rle']).reshape(height, width, 4)[..., 3] > 0
            rle = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
            yield dict(label=labels[0], segmentation=dict(rle, counts=rle['counts'].decode()))


def _turned(points: np.ndarray, about: np.ndarray, degrees: float) -> np.ndarray:
    """Points in pixels, turned clockwise."""
    sine, cosine = np.sin(np.radians(degrees)), np.cos(np.radians(degrees))
    return (points - about) @ np.array([[cosine, sine], [-sine, cosine]]) + about


def _rectangle(value: dict, scale: np.ndarray) -> np.ndarray:
    """Four corners; it is turned about the upper left one."""
    x, y, w, h = (value[key] for key in ('x', 'y', 'width', 'height'))
    corners = np.array([(x, y), (x + w, y), (x + w, y + h), (x, y + h)], float) * scale
    return _turned(corners, corners[0], value.get('rotation') or 0)


def _ellipse(value: dict, scale: np.ndarray) -> np.ndarray:
    angles = np.linspace(0, 2 * np.pi, _CORNERS, endpoint=False)
    centre = np.array([value['x'], value['y']]) * scale
    radii = np.array([value['radiusX'], value['radiusY']]) * scale
    points = centre + radii * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return _turned(points, centre, value.get('rotation') or 0)


def decode_brush(encoded: list[int]) -> np.ndarray:
    """Bytes of a brush's picture, RGBA, from Label Studio's run lengths.

    A stream of bits: 32 for how many values there are, 5 for the bits of a value less one, and 4 times 4
    for the bits of a length less one. Then runs: one bit, set where one value is repeated, two
    for which of the four is the length's, the length less one, and the value or values.

    Raises:
        ValueError: If the stream ends early.
    """
    bits = np.unpackbits(np.array(encoded, np.uint8))
    place = 0

    def read(count: int) -> int:
        nonlocal place
        if place + count > len(bits):
            raise ValueError('its run lengths end early')
        number = int.from_bytes(
            np.packbits(np.pad(bits[place : place + count], (-count % 8, 0))).tobytes(), 'big'
        )
        place += count
        return number

    size, word = read(32), read(5) + 1
    lengths = [read(4) + 1 for _ in range(4)]
    values = np.zeros(size, np.uint8)
    at = 0
    while at < size:
        repeated = read(1)
        end = at + 1 + read(lengths[read(2)])
        if repeated:
            values[at:end] = read(word)
        else:
            values[at:end] = [read(word) for _ in range(end - at)]
        at = end
    return values
