"""Training, validation and test images: what names and lists say, and that none is in two of them."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from mmgreen.datasets.copies import find_copies
from mmgreen.datasets.faults import listed
from mmgreen.datasets.images import evenly_spaced

from .dataset import AnnotatedImage
from .source import IN_NO_LIST, IN_NO_SPLIT, Source

_WORDS = {
    'train': ('train', 'training', 'trainval', 'trainset'),
    'val': ('val', 'valid', 'validation', 'valset', 'dev'),
    'test': ('test', 'testing', 'testset'),
}
#: Splits by what their lists are called.
_LISTS = {'train': 'train', 'valid': 'val', 'val': 'val', 'test': 'test'}
# What may stand beside such a word and says nothing.
_FILLERS = ('images', 'image', 'imgs', 'img', 'set', 'split', 'data')
#: Held-out images whose copies are looked for, at most; of more, some evenly spaced.
_MOST_COMPARED = 20_000


def split_of(name: str) -> str | None:
    """The split that a name of a file or folder says: ``train2017``, ``Validation``, ``valid``."""
    return _parts(name)[0]


def _parts(name: str) -> tuple[str | None, frozenset[str]]:
    """The split that a name says, and its other words."""
    words = [word for word in re.split(r'[^a-z]+', name.lower()) if word]
    for i, word in enumerate(words):
        for split, known in _WORDS.items():
            if word in known:
                return split, frozenset(words[:i] + words[i + 1 :]) - frozenset(_FILLERS)
    return None, frozenset(words)


def of_split(names: Iterable[str], split: str | None) -> list[str]:
    """Files without those that lie in a folder named after another split than theirs."""
    return [
        name
        for name in names
        if split is None or {split_of(part) for part in name.split('/')[:-1]} <= {None, split}
    ]


def named_splits(words: dict[str, str]) -> dict[str, list[str]]:
    """Files by the split that each is named after, if splits follow from their names.

    They do where a file is for training and another one is not, or where all are named after a
    split; else all are of ``all``: a single ``train_station.json`` among others is a place.

    Args:
        words: What says the split, by file.
    """
    found: dict[str, list[str]] = defaultdict(list)
    for name, word in words.items():
        found[split_of(word) or 'all'].append(name)
    follow = 'train' in found and ('val' in found or 'test' in found)
    return dict(found) if follow or 'all' not in found else {'all': list(words)}


def by_folders(source: Source, images: Iterable[AnnotatedImage]) -> dict[str, list[AnnotatedImage]]:
    """Splits as folders say; none where they follow from no folder.

    They follow where all images are in folders of one depth that are named after splits, and these
    names differ in nothing else: ``train/`` among ``bus/`` and ``car/`` is a class, and
    ``train_station/`` beside ``test_track/`` a place. Images that lie in no folder at all, as a
    preview may, are left out then.
    """
    images = list(images)
    found = _by_folders(source, images, [image.name for image in images])
    if found or not source.tree.links:
        return found
    return _by_folders(source, images, [source.tree.names(image.name)[-1] for image in images])


def _by_folders(
    source: Source, images: list[AnnotatedImage], names: list[str]
) -> dict[str, list[AnnotatedImage]]:
    strays = [image for image, name in zip(images, names, strict=True) if '/' not in name]
    inside = [pair for pair in zip(images, names, strict=True) if '/' in pair[1]]
    paths = [name.split('/')[:-1] for _, name in inside]
    for depth in range(min(map(len, paths), default=0)):
        said = {path[depth]: _parts(path[depth]) for path in paths}
        splits = {split for split, _ in said.values()}
        if None in splits or len({rest for _, rest in said.values()}) > 1:
            continue
        if splits == {'val'} or splits == {'test'}:  # nothing follows from it
            continue
        found: dict[str, list[AnnotatedImage]] = defaultdict(list)
        for (image, _), path in zip(inside, paths, strict=True):
            found[said[path[depth]][0] or ''].append(image)
        for image in strays:
            source.leave_out(IN_NO_SPLIT, image.name)
        return dict(found)
    return {}


def find_lists(source: Source) -> tuple[list[str], dict[str, list[str]]]:
    """VOC's ``ImageSets/Main/train.txt`` or YOLO's ``train.txt``: files, and their lines by split."""
    trees = {name: tree for tree in (source.notes, source.tree) for name in tree.others}
    tops = {name.rpartition('ImageSets/')[0] for name in trees if 'ImageSets/' in name}
    folders = [
        f'{top}ImageSets/{kind}/'
        for top in sorted(tops)
        for kind in ('Main', 'Segmentation', 'Layout')
    ]
    for folder in (*folders, ''):
        there = {
            word: path
            for word in ('train', 'val', 'valid', 'test', 'trainval')
            if (path := f'{folder}{word}.txt') in trees
        }
        lines = {word: read_list(trees[path].path(path)) for word, path in there.items()}
        lists = {s: lines[w] for w, s in _LISTS.items() if w in lines}
        if 'trainval' in lines and 'train' not in lists:
            held = set(lists.get('val', ()))
            lists['train'] = [line for line in lines['trainval'] if line not in held]
        if lists:
            return list(there.values()), lists
    return [], {}


def read_list(path: Path) -> list[str]:
    """Lines of a list that are not empty, whole."""
    text = path.read_bytes().decode('utf-8-sig', 'surrogateescape')
    return [line for line in text.replace('\r\n', '\n').split('\n') if line.strip()]


def by_lists(
    source: Source, lists: dict[str, list[str]], images: list[AnnotatedImage], where: str
) -> dict[str, list[AnnotatedImage]]:
    """Splits as lists name the images; a line is tried whole, then without what may follow the name.

    Args:
        source: Told of lines that name no image, and of images in no list.
        lists: Lines by split.
        images: All that are annotated.
        where: What a message calls the lists.
    """
    known = {image.name: image for image in images}
    folders = Counter(name.rpartition('/')[0] for name in known)
    likely = [folder for folder, _ in folders.most_common(8)]
    splits: dict[str, list[AnnotatedImage]] = {}
    listed_names: set[str] = set()
    for split, lines in lists.items():
        found, lost = {}, []
        for line in lines:
            name = _listed_image(source, line, split, known, likely)
            if name is None:
                lost.append(line)
            elif name in known:
                found[name] = known[name]
            listed_names.add(name or '')
        if lost:
            source.warnings.append(
                f'{len(lost)} of {len(lines)} lines of {where} ({split}) name no image, or several: '
                f'{listed(lost)}'
            )
        splits[split] = list(found.values())
    for name in known:
        if name not in listed_names:
            source.leave_out(IN_NO_LIST, name)
    return splits


def _listed_image(
    source: Source,
    line: str,
    split: str,
    known: dict[str, AnnotatedImage],
    folders: list[str],
) -> str | None:
    """The image that a line means: at its path, else the one of several that is of the split."""
    tree = source.tree
    for text in dict.fromkeys((line, line.strip(), re.sub(r'\s+-?[01]\s*$', '', line).strip())):
        if name := tree.at('', text):
            return name
        plain = text.replace('\\', '/')
        candidates = [name for folder in folders if (name := tree.at(folder, text))]
        candidates = candidates or tree.locate(plain)
        if not candidates:  # a name without its ending, as VOC lists it
            for folder in (*folders, ''):
                candidates += tree.with_stem(f'{folder}/{plain}'.lstrip('/'))
        candidates = of_split(dict.fromkeys(candidates), split)
        annotated = [name for name in candidates if name in known]
        if len(annotated) == 1:
            return annotated[0]
        if len(candidates) == 1:
            return candidates[0]
        if candidates:
            return None
    return None


def unite(source: Source, splits: dict[str, list[AnnotatedImage]]) -> bool:
    """Put together what one split says of an image in several entries; returns whether it had to."""
    united = 0
    for split, images in splits.items():
        first: dict[str, AnnotatedImage] = {}
        for image in images:
            if image.name not in first:
                first[image.name] = image
                continue
            united += 1
            kept = first[image.name]
            kept.objects += [thing for thing in image.objects if thing not in kept.objects]
            kept.unread += image.unread
        splits[split] = list(first.values())
    if united:
        source.warnings.append(
            f'{united} entries are of images that have another entry: the objects of both are put '
            'together, those that are the same once'
        )
    return bool(united)


def keep_apart(
    folder: Path, splits: dict[str, list[AnnotatedImage]], named: bool = True
) -> tuple[dict[str, list[str]], list[str]]:
    """See that no image is in two splits, by path or by content.

    What is held out, too, is taken out of training (and of validation, if it is for the test). If that
    is most of what is held out, the splits are the same, which is a fault.

    Args:
        folder: Below which the images are named.
        splits: Changed in place.
        named: Whether people named the splits: those that are the same are a fault then.

    Returns:
        Names of the images that were taken out, by reason; and faults.
    """
    taken: dict[str, list[str]] = {}
    faults = []
    for held, others in (('test', ('train', 'val')), ('val', ('train',))):
        for other in others if splits.get(held) else ():
            compared = evenly_spaced(splits[held], _MOST_COMPARED)
            shared = _copies(folder, compared, splits.get(other, []))
            if not shared:
                continue
            originals = set().union(*shared.values())
            same = named and len(originals) > len(splits[held]) / 2
            if same or len(shared) == len(splits[other]):
                faults.append(
                    f'{len(originals)} of {len(splits[held])} images of {held} are images of {other}, '
                    f'too, by their content ({listed(sorted(shared))}): figures would say nothing; '
                    f'leave out one of both, or name no images of {held}, so that some are held out'
                )
                continue
            splits[other] = [image for image in splits[other] if image.name not in shared]
            taken[f'of {other} that are images of {held}, too'] = sorted(shared)
    return taken, faults


def _copies(
    folder: Path, held: Sequence[AnnotatedImage], others: Sequence[AnnotatedImage]
) -> dict[str, set[str]]:
    """Images that are held out, too, and which of those they are; by path or content."""
    held_names = {folder / image.name: image.name for image in held}
    names = {folder / image.name: image.name for image in others}
    return {
        names[path]: {held_names[each] for each in same}
        for path, same in find_copies(held_names, names).items()
    }
