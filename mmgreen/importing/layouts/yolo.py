"""YOLO: a text file for each image, a line for each object, in shares of the image.

A line of five numbers is a box: number of the category, centre, width and height. A longer one is the
outline of a mask, of an oriented box (four corners), or, where ``data.yaml`` says ``kpt_shape``, a
box with keypoints, which are not used.
"""

import os
import re
from collections import defaultdict
from contextlib import suppress
from typing import Any

import numpy as np
import yaml

from mmgreen.datasets.faults import listed
from mmgreen.datasets.tree import stem

from ..dataset import AnnotatedImage
from ..objects import Unread, read_each
from ..source import Source
from ..splits import by_lists, read_list
from .layout import Layout, Reading, folder_of, read_text, shown

_NAMES = ('classes.txt', 'obj.names')
_YAML = ('.yaml', '.yml')
#: Shares of an image may lie outside it by so much; numbers of pixels are larger.
_SLACK = 0.5
#: So many label files are looked at for keypoints.
_MOST_TRIED = 1000


def _find(source: Source) -> list[str]:
    labels = _labels(source)
    return sorted(set(labels.values()))


def _labels(source: Source) -> dict[str, str]:
    """Label files by image: in ``labels/`` for ``images/``, or beside it where names are there."""
    flat = _names_file(source) is not None
    there = {name for name in source.tree.others if name.lower().endswith('.txt')}
    found = {}
    for image in source.tree.images:
        for name in source.tree.names(image):
            label = _label_of(name)
            apart = label != f'{stem(name)}.txt'
            if label in there if flat and not apart else apart and _is_file(source, label):
                found[image] = label
                break
    return found


def _label_of(image: str) -> str:
    """Where the labels of an image are: the last folder ``images`` of its path is ``labels``."""
    before, images, after = f'/{image}'.rpartition('/images/')
    swapped = f'{before}/labels/{after}'.lstrip('/') if images else image
    return f'{stem(swapped)}.txt'


def _is_file(source: Source, name: str) -> bool:
    # A folder that is reached by several links is listed by one of its names alone.
    return os.path.isfile(source.tree.path(name))


def _names_file(source: Source) -> str | None:
    """The file that names the categories, the uppermost one."""
    others = sorted(source.tree.others, key=lambda name: (name.count('/'), name))
    for name in others:
        if name.lower().endswith(_YAML) and 'names' in _settings(source, name):
            return name
    for wanted in _NAMES:
        for name in others:
            if name.rpartition('/')[2] == wanted:
                return name
    return None


def _settings(source: Source, name: str, faulty: bool = False) -> dict[str, Any]:
    """A YAML file, all values as they are written: a category may be called no, or 1.

    Args:
        source: Told of a file that is none, if ``faulty``.
        name: The file.
        faulty: Whether such a one is a fault, or only of no use.
    """
    try:
        content = yaml.load(read_text(source.tree.path(name)), yaml.BaseLoader)
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        if faulty:
            source.faults.add('yaml', name, f'{source.tree.path(name)} cannot be read: {error}')
        return {}
    return content if isinstance(content, dict) else {}


def _read(source: Source, names: list[str]) -> Reading:
    file = _names_file(source)
    if file is None:
        for name in source.tree.others:
            if name.lower().endswith(_YAML):
                _settings(source, name, faulty=True)
        source.faults.add(
            'names',
            'labels',
            f'{source.folder} has labels of YOLO, and no names of categories: put them into data.yaml '
            '(names: [...]) or, one a line, into classes.txt',
        )
        return Reading({'all': []})
    settings = _settings(source, file) if file.lower().endswith(_YAML) else {}
    try:
        categories = _categories(source, file, settings)
    except ValueError as error:
        source.faults.add('names', file, f'{source.tree.path(file)} cannot be read: {error}')
        return Reading({'all': []})
    keypoints = _keypoints(source, file, settings)
    labels = _labels(source)
    _refuse_shared(source, labels)
    # Beside labels of others, an image without a file has no object.
    filled = {folder_of(label) for label in labels.values()}
    _refuse_unsaid_keypoints(source, labels, keypoints)
    images = []
    for image in shown(list(source.tree.images), 'Annotations'):
        label = labels.get(image)
        if label is None and (
            _label_of(image) == f'{stem(image)}.txt' or folder_of(_label_of(image)) not in filled
        ):
            continue
        size = source.size(image)
        if size is None:
            continue
        objects = _objects(source, label, size, categories, keypoints) if label else []
        images.append(AnnotatedImage(image, size, objects))
    _name_lost(source, set(labels.values()), filled)
    splits = _by_settings(source, file, settings, images)
    return Reading(splits or {'all': images}, tuple(categories.values()))


def _categories(source: Source, file: str, settings: dict[str, Any]) -> dict[int, str]:
    """Names by number, as the file says it or counted from 0."""
    names = settings.get('names')
    if names is None:
        lines = read_text(source.tree.path(file)).rstrip().splitlines()
        return dict(enumerate(line.strip() for line in lines))
    if isinstance(names, list):
        return dict(enumerate(map(str, names)))
    try:
        return {number: str(names[key]) for number, key in sorted((int(k), k) for k in names)}
    except (TypeError, ValueError):
        source.faults.add(
            'names',
            file,
            f'{source.tree.path(file)} has names that are neither a list nor counted by numbers: '
            f'{names}',
        )
        return {}


def _keypoints(source: Source, file: str, settings: dict[str, Any]) -> int:
    """How many numbers the keypoints of a line are."""
    shape = settings.get('kpt_shape')
    if not shape:
        return 0
    try:
        count, numbers = map(int, shape)
    except (TypeError, ValueError):
        source.faults.add('kpt_shape', file, f'{source.tree.path(file)} has kpt_shape {shape}')
        return 0
    source.remarks.append(f'keypoints ({count} an object) are not used, boxes are')
    return count * numbers


def _objects(
    source: Source,
    label: str,
    size: tuple[int, int],
    categories: dict[int, str],
    keypoints: int,
) -> list[dict]:
    def read(line: str, size: tuple[int, int]) -> dict:
        number, *numbers = (float(word) for word in line.split())
        if number not in categories:
            raise ValueError(
                f'it has category {number:g}, but {len(categories)} names are known, numbered '
                f'{min(categories, default=0)} to {max(categories, default=0)}'
            )
        return dict(label=categories[int(number)], **_shape(np.array(numbers), keypoints, size))

    path = source.tree.path(label)
    try:
        lines = [line for line in read_text(path).splitlines() if line.strip()]
        return read_each(lines, read, size)
    except (ValueError, OverflowError, OSError) as error:
        source.faults.add('damaged', label, f'{path} is not an annotation of YOLO: {error}')
        return []


def _refuse_unsaid_keypoints(source: Source, labels: dict[str, str], keypoints: int) -> None:
    """Boxes with keypoints look like outlines where ``data.yaml`` does not say ``kpt_shape``."""
    if keypoints:
        return
    long, pose = 0, 0
    for label in list(dict.fromkeys(labels.values()))[:_MOST_TRIED]:
        with suppress(ValueError, OSError):
            for line in read_text(source.tree.path(label)).splitlines():
                numbers = np.array([float(word) for word in line.split()[1:]])
                if len(numbers) >= 10:
                    long += 1
                    pose += _is_box_with_points(numbers)
    if long and pose > long / 2:
        source.faults.add(
            'keypoints',
            'labels',
            f'{pose} of {long} lines of the labels of {source.folder} look like boxes with keypoints: '
            'say kpt_shape: [number, 2 or 3] in data.yaml',
        )


def _is_box_with_points(numbers: np.ndarray) -> bool:
    (x, y, across, down), rest = numbers[:4], numbers[4:]
    for step in (3, 2):
        if len(rest) % step == 0:
            points = rest.reshape(-1, step)
            seen = points[(points != 0).any(1)]
            inside = (np.abs(seen[:, :2] - (x, y)) <= np.array([across, down]) / 2 + 1e-4).all()
            if inside and (step == 2 or np.isin(points[:, 2], (0, 1, 2)).all()):
                return True
    return False


def _shape(numbers: np.ndarray, keypoints: int, size: tuple[int, int]) -> dict:
    if keypoints and len(numbers) == 4 + keypoints:
        numbers = numbers[:4]
    if len(numbers) != 4 and (len(numbers) < 6 or len(numbers) % 2):
        raise Unread(f'lines of {len(numbers) + 1} numbers, neither a box nor an outline')
    if not ((numbers >= -_SLACK) & (numbers <= 1 + _SLACK)).all():
        raise Unread('lines with numbers that are no shares of the image, between 0 and 1')
    scaled = numbers.reshape(-1, 2) * size
    if len(numbers) == 4:
        (x, y), (across, down) = scaled.tolist()
        return dict(bbox=[x - across / 2, y - down / 2, across, down])
    return dict(segmentation=[scaled.ravel().tolist()])


def _refuse_shared(source: Source, labels: dict[str, str]) -> None:
    owners = defaultdict(list)
    for image, label in labels.items():
        owners[label].append(image)
    for label, images in owners.items():
        if len(images) > 1:
            source.faults.add(
                'shared labels',
                label,
                f'{source.tree.path(label)} may be for each of {listed(images)}: give them names of '
                'their own',
            )


def _name_lost(source: Source, used: set[str], folders: set[str]) -> None:
    lost = [
        name
        for name in source.tree.others
        if name.lower().endswith('.txt')
        and name not in used
        and folder_of(name) in folders
        and re.search(r'(^|/)labels(/|$)', folder_of(name))
        and name.rpartition('/')[2] not in _NAMES
    ]
    if lost:
        source.warnings.append(
            f'{len(lost)} annotation files are for images that are not there: {listed(lost)}'
        )


def _by_settings(
    source: Source, file: str, settings: dict[str, Any], images: list[AnnotatedImage]
) -> dict[str, list[AnnotatedImage]]:
    """Splits as ``data.yaml`` names their folders or lists; none where it cannot be followed."""
    lists: dict[str, list[str]] = {}
    for split in ('train', 'val', 'test'):
        said = settings.get(split) or (settings.get('valid') if split == 'val' else None)
        if not said:
            continue
        names: list[str] = []
        for place in [said] if isinstance(said, str) else said:
            there = _place(source, file, settings, str(place))
            if there is None:
                source.remarks.append(
                    f'{file}: there is no {place}, so that splits are taken from the folders'
                )
                return {}
            names += there
        lists[split] = names
    if not {'train', 'val'} <= lists.keys():
        return {}
    return by_lists(source, lists, images, file)


def _place(source: Source, file: str, settings: dict[str, Any], said: str) -> list[str] | None:
    """Images of a folder or a list that ``data.yaml`` names; ``None`` where it is not there."""
    said = said.replace('\\', '/')
    root, base = settings.get('path', ''), folder_of(file)
    plain = re.sub(r'^(\.\./)+', '', said)  # Roboflow writes ../train/images
    for below in (
        os.path.join(base, root, said),
        os.path.join(base, said),
        os.path.join(base, plain),
    ):
        path = source.tree.path(below)
        if path.is_file():
            return read_list(path)
        if path.is_dir():
            real = os.path.realpath(path) + os.sep
            folders = {folder_of(image) for image in source.tree.images}
            inside = {
                folder
                for folder in folders
                if f'{os.path.realpath(source.tree.path(folder))}{os.sep}'.startswith(real)
            }
            return [image for image in source.tree.images if folder_of(image) in inside]
    return None


YOLO = Layout(
    'YOLO',
    'labels/ beside images/, or a .txt beside each image, with data.yaml or classes.txt',
    _find,
    _read,
)
