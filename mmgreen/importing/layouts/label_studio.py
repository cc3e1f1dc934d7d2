"""Label Studio's own exports, JSON and JSON-MIN: what was drawn, in per cent of the image."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np

from mmgreen.datasets.faults import listed
from mmgreen.datasets.images import is_image_name

from ..dataset import AnnotatedImage
from ..objects import Unread, ellipse, encode_mask, read_each, turned
from ..source import Source
from .layout import Layout, Reading, json_files, read_json
from .pairs import DAMAGED

# What Label Studio puts before the name of a file that was uploaded.
_UPLOADED = re.compile(r'(^|/)[0-9a-f]{8}-(?=[^/]*$)')
_DRAWN = ('rectanglelabels', 'polygonlabels', 'ellipselabels', 'brushlabels', 'labels')
#: A region without a label of its own; another result of its id has it.
_BARE = ('rectangle', 'polygon', 'ellipse', 'brush')


def _find(source: Source) -> list[str]:
    return json_files(source, source.tree, 'label studio', 'label studio, min')


def _read(source: Source, names: list[str]) -> Reading:
    if len(names) > 1:
        source.faults.add(
            'several exports',
            names[0],
            f'{source.folder} has several exports of Label Studio, {listed(names)}: leave one',
        )
        return Reading({'all': []})
    path = source.tree.path(names[0])
    found: dict[str, AnnotatedImage] = {}
    missing: list[str] = []
    for number, task in enumerate(_tasks(source, names[0])):
        try:
            _add(task, source, found, missing, path)
        except DAMAGED as error:
            named = task.get('id', number) if isinstance(task, dict) else number
            source.faults.add(
                'damaged',
                named,
                f'task {named} of {path} is not of Label Studio: {type(error).__name__} {error}',
            )
    if missing:
        source.faults.add(
            'missing',
            names[0],
            f'{len(missing)} images of {path} are not below {source.folder}, or several times: '
            f'{listed(missing)}',
        )
    return Reading({'all': [found[name] for name in sorted(found)]})


def _tasks(source: Source, name: str) -> list[dict]:
    path = source.tree.path(name)
    try:
        tasks = read_json(path)
    except DAMAGED as error:
        source.faults.add('damaged', name, f'{path} is not of Label Studio: {error}')
        return []
    return tasks if isinstance(tasks, list) else []


def _add(
    task: dict,
    source: Source,
    found: dict[str, AnnotatedImage],
    missing: list[str],
    path: Path,
) -> None:
    """Read a task, and add its image to those that were found or are missing."""
    said, results = _task(task, source)
    if results is None:
        return
    images = _locate(source, said)
    size = source.size(images[0]) if len(images) == 1 else None
    if len(images) != 1:
        missing.append(said[0].replace('\\', '/').rpartition('/')[2])
    elif size and images[0] in found:
        source.faults.add(
            'two tasks',
            images[0],
            f'image {source.tree.path(images[0])} is in two tasks of {path}: keep one of them, since '
            'both may show the same objects',
        )
    elif size:
        for result in results:
            if 'original_width' in result:
                declared = (result['original_width'], result['original_height'])
                source.compare_size(images[0], declared, str(path))
                break
        drawn = list(_drawn(results, source))
        found[images[0]] = AnnotatedImage(images[0], size, read_each(drawn, _object, size))


def _task(task: dict, source: Source) -> tuple[list[str], list[dict] | None]:
    """What the image of a task may be called, and the results of its first annotation that was not cancelled."""
    if 'data' not in task:  # JSON-MIN
        regions = [v for value in task.values() if isinstance(value, list) for v in value]
        results = [_of_min(v) for v in regions if isinstance(v, dict) and 'original_width' in v]
        return _image_names(task, task), results
    kept = [a for a in task['annotations'] if not a.get('was_cancelled')]
    if not kept:
        source.objects_left_out['tasks without an annotation'] += 1
        return [], None
    if len(kept) > 1:
        source.objects_left_out['annotations of tasks that have another one before'] += (
            len(kept) - 1
        )
    return _image_names(task['data'], task), kept[0]['result']


def _of_min(value: dict) -> dict:
    """A region of JSON-MIN as a result of JSON."""
    kind = next((key for key in _DRAWN if key in value), 'other')
    return dict(
        type=kind,
        value=value,
        original_width=value['original_width'],
        original_height=value['original_height'],
    )


def _image_names(data: dict, task: dict) -> list[str]:
    """What the address of a task's image may mean, the likeliest first."""
    values = [value for value in data.values() if isinstance(value, str)]
    for value in values:
        parts = urlsplit(value)
        # Local storage: /data/local-files/?d=folder/image.jpg
        local = [unquote(word[2:]) for word in parts.query.split('&') if word.startswith('d=')]
        words = [*local, *(word.replace('+', ' ') for word in local), parts.query[2:]]
        said = [*words, unquote(parts.path), unquote(value), value]
        if images := [word for word in dict.fromkeys(said) if is_image_name(word)]:
            return images
    raise ValueError(f'task {task.get("id")} names no image, only {values}')


def _locate(source: Source, said: list[str]) -> list[str]:
    plain = [name.replace('\\', '/').lstrip('/') for name in said]
    for name in (*plain, *(_UPLOADED.sub(r'\1', name) for name in plain)):
        if images := source.tree.locate(name):
            return images
    return []


def _drawn(results: list[dict], source: Source) -> Iterator[dict]:
    """Results that are objects; others, such as relations, choices and texts, are counted."""
    labelled = {r.get('id') for r in results if (r.get('value') or {}).get(r.get('type'))}
    for result in results:
        kind, value = result.get('type'), result.get('value') or {}
        if kind in _DRAWN and value.get(kind):
            if len(value[kind]) > 1:
                source.objects_left_out['further labels of a region'] += len(value[kind]) - 1
            yield result
        elif kind in _DRAWN or (kind in _BARE and result.get('id') not in labelled):
            yield dict(result, unlabelled=True)
        elif kind not in _BARE:
            source.objects_left_out[f'results of type {kind}'] += 1


def _object(result: dict, size: tuple[int, int]) -> dict:
    value = result['value']
    if result.get('unlabelled'):
        raise Unread('regions without a label')
    if result.get('image_rotation'):
        raise Unread('regions of an image that was turned in Label Studio')
    label, scale = value[result['type']][0], np.array(size) / 100
    if 'points' in value:
        points = np.asarray(value['points'], float) * scale
        if len(points) < 3:
            raise Unread('outlines of fewer than three points')
        return dict(label=label, segmentation=[points.ravel().tolist()])
    if 'radiusX' in value:
        centre = np.array([value['x'], value['y']]) * scale
        radii = np.array([value['radiusX'], value['radiusY']]) * scale
        points = ellipse(centre, radii, value.get('rotation') or 0)
        return dict(label=label, segmentation=[points.ravel().tolist()])
    if 'rle' in value:
        mask = decode_brush(value['rle']).reshape(size[1], size[0], 4)[..., 3] > 0
        return dict(label=label, segmentation=encode_mask(mask))
    corners = _rectangle(value, scale)
    left, top = corners.min(0).tolist()
    right, bottom = corners.max(0).tolist()
    return dict(label=label, bbox=[left, top, right - left, bottom - top])


def _rectangle(value: dict, scale: np.ndarray) -> np.ndarray:
    """Four corners; it is turned about the upper left one."""
    x, y, w, h = (value[key] for key in ('x', 'y', 'width', 'height'))
    corners = np.array([(x, y), (x + w, y), (x + w, y + h), (x, y + h)], float) * scale
    return turned(corners, corners[0], value.get('rotation') or 0)


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


LABEL_STUDIO = Layout(
    'Label Studio', 'its JSON or JSON-MIN beside a folder of the images', _find, _read
)
