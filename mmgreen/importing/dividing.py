"""Images held out for validation and test, where nothing names them."""

import re
import zlib
from collections import defaultdict
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console
from rich.progress import track

from mmgreen.datasets.faults import listed
from mmgreen.errors import UserError

from .dataset import AnnotatedImage, Dataset
from .splits import keep_apart, read_list

#: With fewer images, none are held out for a test beside those for validation.
_TEST_FROM = 60
#: Images without labels that are held out, at most.
_SHOWN = 50
#: Sides of the thumbnails by which near-duplicates are found, and how much they must have in common.
_COARSE, _FINE, _ALIKE = 8, 32, 0.98
#: Neighbours with which each is compared at a time, and pairs that are compared at once.
_NEAREST, _AT_ONCE = 8, 4096
#: Products that are in memory at once, and others that one is compared with closely, at most.
_PRODUCTS, _MOST_LOOKED_AT = 2**23, 256
# Where EXIF says when an image was taken, and when its file was changed.
_EXIF, _TAKEN, _CHANGED = 0x8769, 0x9003, 0x0132


def divide(
    dataset: Dataset,
    val_share: float = 0.15,
    test_share: float = 0.15,
    seed: int = 0,
    by: str | None = None,
) -> None:
    """Hold out images for validation, and for a test, where a dataset has none.

    Images are divided so that every category has its share in each part, and images that
    are nearly the same, as of one video, stay together. The same images and seed
    give the same parts.

    Args:
        dataset: Changed in place. Of images without labels up to 50 are held out. Where training
            images are named and none for validation, these are taken from them; where nothing is
            named, all images are divided.
        val_share: Share of the images.
        test_share: Share of the images, where no split was named and there are at least 60.
        seed: Decides where nothing else does.
        by: What else decides: ``'folder'`` keeps the images of each folder together; ``'time'`` trains
            on the first ones and holds out the last, by when cameras say that they were taken, or
            by their names; any other word is a file that lists the images for validation.

    Raises:
        UserError: If a part would be empty, or ``by`` cannot be followed.
    """
    empty = [name for name, images in dataset.splits.items() if not images]
    if empty:
        raise UserError(f'{dataset.folder}: there is no image of {empty[0]}')
    named = len(dataset.splits) > 1
    if 'val' in dataset.splits and 'train' in dataset.splits:
        if by:
            raise UserError(f'{dataset.folder} names its validation images: leave out --split {by}')
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
    dataset.originals.pop(source, None)
    if dataset.labelled or by:
        parts, how = _parts(dataset, images, shares, seed, by)
        what = 'no validation images were named, so the images were divided'
    else:  # a few to look at; there is nothing to test or to stratify by
        parts, how, what = _a_few(images, val_share, seed), f'seed {seed}', 'held out, to look at'
    dataset.splits = {**parts, **dataset.splits}
    _keep_apart(dataset)
    counts = ', '.join(f'{len(dataset.splits[name])} {name}' for name in parts)
    dataset.notes.append(f'{what}: {counts} ({how})')


def _a_few(
    images: list[AnnotatedImage], share: float, seed: int
) -> dict[str, list[AnnotatedImage]]:
    order = np.random.default_rng(seed).permutation(len(images))
    held = set(order[: max(1, min(_SHOWN, round(share * len(images))))].tolist())
    return {
        'train': [image for i, image in enumerate(images) if i not in held],
        'val': [image for i, image in enumerate(images) if i in held],
    }


def _parts(
    dataset: Dataset,
    images: list[AnnotatedImage],
    shares: dict[str, float],
    seed: int,
    by: str | None,
) -> tuple[dict[str, list[AnnotatedImage]], str]:
    """Images by part, and in words how they were divided."""
    in_order = 'by time, the last ones held out'
    if by == 'time':
        return _in_order(dataset, images, shares), in_order
    if by not in (None, 'folder'):
        return _by_file(images, Path(by)), f'as {by} lists them'
    whole = {'train': 1 - sum(shares.values()), **shares}
    if by == 'folder':
        groups = _of_folders(images)
        if len(groups) < 2:
            raise UserError(
                f'{dataset.folder} has all images in one folder: leave out --split folder'
            )
        return _stratify(images, groups, whole, seed), f'by folders, seed {seed}'
    groups = near_duplicates(dataset.folder, images)
    largest = max(map(len, groups))
    if len(images) - largest < len(images) * sum(shares.values()) / 2:
        # As of a camera that stands still: no part can be unlike the others.
        dataset.notes.append(
            f'WARNING: {largest} of {len(images)} images are nearly the same, as of a camera that '
            'stands still: figures on those that are held out say little of other places '
            '(--split folder, or --split FILE with a list, divides otherwise)'
        )
        return _in_order(dataset, images, shares), in_order
    together = sum(len(group) for group in groups if len(group) > 1)
    more = f'; {together} near-duplicates were kept together' if together else ''
    return _stratify(images, groups, whole, seed), f'seed {seed}{more}'


def _keep_apart(dataset: Dataset) -> None:
    """Take copies of what is held out out of training."""
    taken, faults = keep_apart(dataset.folder, dataset.splits, named=False)
    if faults:
        raise UserError(f'{dataset.folder}: {faults[0]}')
    for reason, names in taken.items():
        dataset.left_out.setdefault(reason, []).extend(names)


def _by_file(images: list[AnnotatedImage], path: Path) -> dict[str, list[AnnotatedImage]]:
    """Those that a file lists are for validation."""
    if not path.is_file():
        raise UserError(f'--split {path} is neither folder, time nor a file that lists images')
    by_name = {image.name: image for image in images}
    lines = [line.replace('\\', '/').removeprefix('./') for line in read_list(path)]
    lost = [line for line in lines if line not in by_name and line.strip() not in by_name]
    if lost:
        raise UserError(
            f'{len(lost)} of {len(lines)} images that {path} lists are not to be divided: '
            f'{listed(lost)} (paths are written from the folder of the dataset)'
        )
    held = {line if line in by_name else line.strip() for line in lines}
    parts = {
        'train': [image for image in images if image.name not in held],
        'val': [image for image in images if image.name in held],
    }
    if not all(parts.values()):
        raise UserError(f'{path} lists {"all images" if parts["val"] else "no image"}')
    return parts


def _in_order(
    dataset: Dataset, images: list[AnnotatedImage], shares: dict[str, float]
) -> dict[str, list[AnnotatedImage]]:
    """The first images for training, the last ones held out, a block each."""
    taken = [_taken(dataset.folder / image.name) for image in images]
    whole = all(taken)
    keys = [
        (time if whole else '', _natural(i.name)) for time, i in zip(taken, images, strict=True)
    ]
    order = sorted(range(len(images)), key=keys.__getitem__)
    parts: dict[str, list[AnnotatedImage]] = {}
    end = len(order)
    for name, share in reversed(shares.items()):
        count = max(1, round(share * len(order)))
        parts[name] = [images[i] for i in order[end - count : end]]
        end -= count
    parts['train'] = [images[i] for i in order[:end]]
    return {name: parts[name] for name in ('train', *shares)}


def _taken(path: Path) -> str:
    """When an image was taken, as its camera wrote it; empty where it did not."""
    try:
        with Image.open(path) as image:
            exif = image.getexif()
            return str(exif.get_ifd(_EXIF).get(_TAKEN) or exif.get(_CHANGED) or '')
    except Exception:  # what cannot be read is named elsewhere
        return ''


def _natural(name: str) -> list[tuple[int, str]]:
    """A key by which frame 10 comes after frame 9."""
    return [
        (int(word), '') if word.isdecimal() else (-1, word) for word in re.split(r'(\d+)', name)
    ]


def _of_folders(images: list[AnnotatedImage]) -> list[list[int]]:
    groups = defaultdict(list)
    for i, image in enumerate(images):
        groups[image.name.rpartition('/')[0]].append(i)
    return list(groups.values())


def near_duplicates(folder: Path, images: list[AnnotatedImage]) -> list[list[int]]:
    """Groups of images that show nearly the same, most of them of one image."""
    coarse = np.empty((len(images), _COARSE**2), np.float32)
    fine = np.empty((len(images), _FINE**2), np.float16)
    shown = track(images, 'Near-duplicates', console=Console(stderr=True), transient=True)
    for i, image in enumerate(shown):
        coarse[i], fine[i] = describe(_thumbnail(folder / image.name))
    groups = defaultdict(list)
    for i, label in enumerate(group_alike(coarse, fine).tolist()):
        groups[label].append(i)
    return list(groups.values())


def describe(thumbnail: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Vectors without mean, of length 1, by which a thumbnail (32, 32) is compared: (64,), (1024,)."""
    step = _FINE // _COARSE
    small = thumbnail.reshape(_COARSE, step, _COARSE, step).mean((1, 3))
    return _normalise(small.ravel()), _normalise(thumbnail.ravel())


def _normalise(values: np.ndarray) -> np.ndarray:
    values = values - values.mean()
    length = np.linalg.norm(values)
    if length < 1e-4 * len(values):  # those of one value are alike
        return np.eye(1, len(values), dtype=np.float32)[0]
    return values / length


def group_alike(coarse: np.ndarray, fine: np.ndarray) -> np.ndarray:
    """Number the groups of images that are nearly the same, or linked by others that are.

    Each is compared with the few that are nearest to it, and with the one before it; then groups are,
    one member for each, until none joins another. Memory grows with their number alone, also where
    all are alike.

    Args:
        coarse: (N, 64), of :func:`describe`: what is unlike by these is not compared by the others.
        fine: (N, 1024).

    Returns:
        (N,), numbers of groups from 0.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    number = len(fine)
    labels, groups = np.arange(number), number
    before = np.stack([np.arange(1, number), np.arange(number - 1)])
    while True:
        firsts = np.unique(labels, return_index=True)[1]
        i, j = np.concatenate([before, firsts[_nearest(coarse[firsts])]], axis=1)
        alike = np.concatenate(
            [
                np.einsum(
                    'ij,ij->i',
                    *(fine[some[k : k + _AT_ONCE]].astype(np.float32) for some in (i, j)),
                )
                >= _ALIKE
                for k in range(0, len(i), _AT_ONCE)
            ]
            or [np.zeros(0, bool)]
        )
        rows = np.concatenate([i[alike], np.arange(number)])
        columns = np.concatenate([j[alike], firsts[labels]])
        links = coo_array((np.ones(len(rows), bool), (rows, columns)), shape=(number, number))
        joined, labels = connected_components(links, directed=False)
        if joined == groups:
            return labels
        groups = joined


def _nearest(vectors: np.ndarray) -> np.ndarray:
    """Pairs of unit vectors that are alike, (2, P): each with up to eight others.

    Those are the nearest, where many are alike of the first few hundred.
    """
    pairs: list[np.ndarray] = [np.zeros((2, 0), int)]
    block = max(1, _PRODUCTS // max(1, len(vectors)))
    for start in range(0, len(vectors), block):
        products = vectors[start : start + block] @ vectors.T
        alike = products >= _ALIKE
        for row in np.flatnonzero(alike.sum(1) > _NEAREST + 1):
            some = np.flatnonzero(alike[row])[:_MOST_LOOKED_AT]
            best = some[np.argpartition(-products[row, some], _NEAREST)[: _NEAREST + 1]]
            alike[row] = False
            alike[row, best] = True
        rows, columns = np.nonzero(alike)
        pairs.append(np.stack([rows + start, columns]))
    return np.concatenate(pairs, axis=1)


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
