"""A few labelled images of a dataset."""

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np

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
    annotated = {annotation['image_id'] for annotation in content['annotations']}
    annotated -= _ids(without) if without else set()
    images = [image for image in content['images'] if image['id'] in annotated]
    if number > len(images):
        held = ' that are not held out' if without else ''
        raise UserError(f'{ann_file} has {len(images)} labelled images{held}, fewer than {number}')
    chosen = np.random.default_rng(seed).permutation(len(images))[:number]
    kept = {images[i]['id'] for i in chosen}
    content['images'] = [image for image in images if image['id'] in kept]
    content['annotations'] = [a for a in content['annotations'] if a['image_id'] in kept]
    write_whole(out, json.dumps(content))


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
