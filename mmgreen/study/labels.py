"""A few labelled images of a dataset."""

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from mmgreen.choosing import Eyes, choose
from mmgreen.errors import UserError
from mmgreen.files import write_whole


def write_subset(
    ann_file: Path, number: int, seed: int, out: Path, without: Path | None = None
) -> None:
    """Write the annotations of so many images, drawn at random among those that have some.

    With the same seed, the images of a smaller number are among those of a larger one.

    Args:
        ann_file: The whole.
        number: Of the images that are drawn.
        seed: Of the draw.
        out: File to write.
        without: File of images that are not drawn.

    Raises:
        UserError: If there are not so many images.
    """
    content = json.loads(ann_file.read_text(encoding='utf-8'))
    images = _annotated(content, without)
    if number > len(images):
        held = ' that are not held out' if without else ''
        raise UserError(f'{ann_file} has {len(images)} labelled images{held}, fewer than {number}')
    chosen = np.random.default_rng(seed).permutation(len(images))[:number]
    _write(content, [images[i] for i in chosen], out)


def write_chosen(
    ann_file: Path,
    folder: Path,
    eyes: Eyes,
    number: int,
    known: Path,
    out: Path,
    without: Path | None = None,
) -> None:
    """Write the annotations of so many images: those that are known, and others that are worth most.

    Args:
        ann_file: The whole.
        folder: Folder of its images.
        eyes: What looks at the images.
        number: Of all images that are written.
        known: File of those that have labels already.
        out: File to write.
        without: File of images that are not chosen.

    Raises:
        UserError: See :func:`~mmgreen.choosing.choose`.
    """
    content = json.loads(ann_file.read_text(encoding='utf-8'))
    paths = {folder / image['file_name']: image for image in _annotated(content, without)}
    ids = _ids(known)
    labelled = [path for path, image in paths.items() if image['id'] in ids]
    rest = [path for path in paths if path not in labelled]
    chosen, _ = choose(eyes, rest, number - len(labelled), labelled)
    _write(content, [paths[path] for path in (*labelled, *(choice.path for choice in chosen))], out)


def _annotated(content: dict, without: Path | None) -> list[dict]:
    annotated = {annotation['image_id'] for annotation in content['annotations']}
    annotated -= _ids(without) if without else set()
    return [image for image in content['images'] if image['id'] in annotated]


def _write(content: dict, images: list[dict], out: Path) -> None:
    """Write some images and their annotations, in the order of the whole."""
    kept = {image['id'] for image in images}
    part = {
        'images': [image for image in content['images'] if image['id'] in kept],
        'annotations': [a for a in content['annotations'] if a['image_id'] in kept],
    }
    write_whole(out, json.dumps(content | part))


def write_rest(ann_file: Path, subsets: Iterable[Path], out: Path) -> None:
    """Write the images that subsets do not have, without their annotations.

    Args:
        ann_file: The whole.
        subsets: Files of :func:`write_subset`.
        out: File to write.
    """
    content = json.loads(ann_file.read_text(encoding='utf-8'))
    labelled = set().union(*map(_ids, subsets))
    content['images'] = [image for image in content['images'] if image['id'] not in labelled]
    content['annotations'] = []
    write_whole(out, json.dumps(content))


def _ids(ann_file: Path) -> set[int]:
    return {image['id'] for image in json.loads(ann_file.read_text(encoding='utf-8'))['images']}
