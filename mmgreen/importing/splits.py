"""Training, validation and test images: by name where names say it, else divided."""

import re
import zlib
from collections import defaultdict
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console
from rich.progress import track

from mmgreen.errors import UserError

from .dataset import AnnotatedImage, Dataset

_WORDS = {
    'train': ('train', 'training', 'trainval', 'trainset'),
    'val': ('val', 'valid', 'validation', 'valset', 'dev'),
    'test': ('test', 'testing', 'testset'),
}
#: With fewer images, none are held out for a test beside those for validation.
_TEST_FROM = 60
#: Images without labels that are held out, at most.
_SHOWN = 50
#: Sides of the thumbnails by which near-duplicates are found, and how much they must have in common.
_COARSE, _FINE, _ALIKE = 8, 32, 0.98


def split_of(name: str) -> str | None:
    """The split that a name of a file or folder says: ``train2017``, ``Validation``, ``valid``."""
    for word in re.split(r'[^a-z]+', name.lower()):
        for split, words in _WORDS.items():
            if word in words:
                return split
    return None


def divide(
    dataset: Dataset, val_share: float = 0.15, test_share: float = 0.15, seed: int = 0
) -> None:
    """Hold out images for validation, and for a test, where a dataset has none.

    Images are divided so that every category has its share in each part, and images that
    are nearly the same, as of one video, stay together. The same images and seed
    give the same parts.

    Args:
        dataset: Changed in place. Of images without labels up to 50 are held out. Where training images are named and none for validation, these
            are taken from them; where nothing is named, all images are divided.
        val_share: Share of the images.
        test_share: Share of the images, where no split was named and there are at least 60.
        seed: Decides where nothing else does.

    Raises:
        UserError: If a part would be empty.
    """
    empty = [name for name, images in dataset.splits.items() if not images]
    if empty:
        raise UserError(f'{dataset.folder}: there is no image of {empty[0]}')
    named = len(dataset.splits) > 1
    if 'val' in dataset.splits and 'train' in dataset.splits:
        return
    source = 'train' if named else next(iter(dataset.splits))
    if source not in dataset.splits:
        raise UserError(
            f'{dataset.folder} has images of {" and ".join(dataset.splits)}, and none to train on'
        )
    images = dataset.splits.pop(source)
    shares = {'val': val_share}
    if not named and len(images) >= _TEST_FROM and test_share:
        shares['test'] = test_share
    if len(images) < 2:
        raise UserError(
            f'{dataset.folder} has {len(images)} image of {source}: there must be one to train on '
            'and another to validate by'
        )
    if not dataset.labelled:  # a few to look at; there is nothing to test or to stratify by
        order = np.random.default_rng(seed).permutation(len(images))
        held = set(order[: max(1, min(_SHOWN, round(val_share * len(images))))].tolist())
        parts = {
            'train': [image for i, image in enumerate(images) if i not in held],
            'val': [image for i, image in enumerate(images) if i in held],
        }
        dataset.splits = {**parts, **dataset.splits}
        dataset.notes.append(f'{len(held)} images are held out, to look at (seed {seed})')
        return
    groups = _near_duplicates(dataset, images)
    if len(groups) < 2:
        raise UserError(f'all images of {dataset.folder} are nearly the same')
    parts = _stratify(images, groups, {'train': 1 - sum(shares.values()), **shares}, seed)
    together = sum(len(group) for group in groups if len(group) > 1)
    dataset.originals.pop(source, None)
    dataset.splits = {**parts, **dataset.splits}
    counts = ', '.join(f'{len(part)} {name}' for name, part in parts.items())
    dataset.notes.append(
        f'no validation images were named, so the images were divided (seed {seed}): {counts}'
        + (f'; {together} near-duplicates were kept together' if together else '')
    )


def _near_duplicates(dataset: Dataset, images: list[AnnotatedImage]) -> list[list[int]]:
    """Groups of images that show nearly the same, most of them of one image."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import cKDTree

    fine = np.empty((len(images), _FINE, _FINE), np.float32)
    shown = track(images, 'Near-duplicates', console=Console(stderr=True), transient=True)
    for i, image in enumerate(shown):
        fine[i] = _thumbnail(dataset.folder / image.name)
    step = _FINE // _COARSE
    coarse = fine.reshape(-1, _COARSE, step, _COARSE, step).mean((2, 4))
    coarse, fine = _normalise(coarse), _normalise(fine)
    # The distance of unit vectors whose correlation is as asked.
    pairs = cKDTree(coarse).query_pairs(np.sqrt(2 - 2 * _ALIKE), output_type='ndarray')
    alike = np.einsum('ij,ij->i', fine[pairs[:, 0]], fine[pairs[:, 1]]) >= _ALIKE
    i, j = pairs[alike].T
    links = coo_array((np.ones(len(i)), (i, j)), shape=(len(images), len(images)))
    _, labels = connected_components(links, directed=False)
    groups = defaultdict(list)
    for i, label in enumerate(labels):
        groups[label].append(i)
    return list(groups.values())


def _thumbnail(path: Path) -> np.ndarray:
    try:
        with Image.open(path) as image:
            image.draft('L', (_FINE, _FINE))
            small = image.convert('F' if image.mode.startswith(('I', 'F')) else 'L')
            return np.asarray(small.resize((_FINE, _FINE), Image.Resampling.BOX), np.float32)
    except Exception:  # what cannot be read is like no other, and named elsewhere
        return np.random.default_rng(zlib.crc32(path.name.encode())).random(
            (_FINE, _FINE), np.float32
        )


def _normalise(images: np.ndarray) -> np.ndarray:
    """Vectors without mean, of length 1."""
    vectors = images.reshape(len(images), -1)
    vectors = vectors - vectors.mean(1, keepdims=True)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-6)


def _stratify(
    images: list[AnnotatedImage], groups: list[list[int]], shares: dict[str, float], seed: int
) -> dict[str, list[AnnotatedImage]]:
    """Groups go, the rarest category first, to the part that lacks most of it.

    Iterative stratification (Sechidis et al., 2011), by numbers of objects.
    """
    names = list(shares)
    labels = sorted({thing['label'] for image in images for thing in image.objects})
    column = {label: i for i, label in enumerate(labels)}
    held = np.zeros((len(groups), len(labels) + 1))
    for row, group in enumerate(groups):
        held[row, -1] = len(group)  # images count like a category that all have
        for thing in (thing for i in group for thing in images[i].objects):
            held[row, column[thing['label']]] += 1
    lacking = np.outer(list(shares.values()), held.sum(0))
    # Held out is at least one of what there is enough of; training gets the rest.
    lacking[1:] = np.maximum(lacking[1:], held.sum(0) >= len(names))
    lacking[0] = held.sum(0) - lacking[1:].sum(0)
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(groups))
    open_ = np.ones(len(groups), bool)
    chosen = np.zeros(len(groups), int)
    total = held.sum(0)
    while open_.any():
        left = held[open_].sum(0)
        rarest = int(np.argmin(np.where(left > 0, left, np.inf)))
        rows = order[open_[order] & (held[order, rarest] > 0)]
        # Large groups first: what is left evens out what they made uneven.
        for row in rows[np.argsort(-held[rows, rarest], kind='stable')]:
            # Where parts lack as much of it, the one that lacks most images is taken.
            want = lacking[:, rarest] / total[rarest] + 1e-3 * lacking[:, -1] / len(images)
            part = int(np.argmax(want))
            chosen[row] = part
            lacking[part] -= held[row]
            open_[row] = False
    _fill_empty(chosen, held, len(names))
    parts: dict[str, list[AnnotatedImage]] = {name: [] for name in names}
    where = {i: names[chosen[row]] for row, group in enumerate(groups) for i in group}
    for i, image in enumerate(images):
        parts[where[i]].append(image)
    return parts


def _fill_empty(chosen: np.ndarray, held: np.ndarray, parts: int) -> None:
    """Give a part without images the smallest group of the part with most."""
    for part in range(parts):
        if not (chosen == part).any():
            largest = np.bincount(chosen, held[:, -1], parts).argmax()
            rows = np.flatnonzero(chosen == largest)
            chosen[rows[held[rows, -1].argmin()]] = part
