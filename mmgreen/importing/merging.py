"""Folders that were annotated one after another, as one dataset."""

from collections.abc import Sequence

from mmgreen.datasets.copies import find_copies
from mmgreen.datasets.faults import listed
from mmgreen.errors import UserError

from .dataset import AnnotatedImage, Dataset
from .source import NOT_ANNOTATED


def merge(earlier: Dataset, newer: Sequence[Dataset]) -> None:
    """Add folders that were annotated later.

    Images of an earlier folder without any annotations are not annotated, and not without an object. An image that is in several, by its content, is used once, with its newest annotation, and stays in its split, so
    that none that was held out is trained on. Other images join the split that their own folder says, or else those
    that are trained on.

    Args:
        earlier: Changed in place.
        newer: Oldest first.

    Raises:
        UserError: If one has no annotations.
    """
    if newer and not earlier.labelled:  # else its images would be taught as background
        names = [image.name for image in earlier.images]
        earlier.left_out.setdefault(NOT_ANNOTATED, []).extend(names)
        earlier.splits = {'all': []}
    for dataset in newer:
        _merge(earlier, dataset)


def _merge(earlier: Dataset, newer: Dataset) -> None:
    if not newer.labelled:
        raise UserError(
            f'{newer.folder} has no annotations of a format that is known, only {newer.format}: name a '
            'folder that was annotated'
        )
    splits = earlier.splits
    rest = 'all' if 'all' in splits else 'train'
    here = {
        earlier.folder / image.name: (split, i)
        for split, images in splits.items()
        for i, image in enumerate(images)
    }
    bare = {earlier.folder / name: name for name in earlier.left_out.get(NOT_ANNOTATED, ())}
    paths = [newer.folder / image.name for image in newer.images]
    copies = find_copies([*here, *bare], paths)
    replaced: list[str] = []
    labelled_now = 0
    for split, images in newer.splits.items():
        for image in images:
            path = newer.folder / image.name
            same = copies.get(path, set())
            known = sorted(here[p] for p in same if p in here)
            for name in (bare[p] for p in same if p in bare):
                if name in earlier.left_out[NOT_ANNOTATED]:
                    earlier.left_out[NOT_ANNOTATED].remove(name)
                    labelled_now += 1
            if known:
                where, i = known[0]
                before = splits[where][i]
                replaced.append(before.name)
                splits[where][i] = AnnotatedImage(before.name, image.size, image.objects)
            else:
                added = AnnotatedImage(str(path.resolve()), image.size, image.objects)
                splits.setdefault(split if split in splits else rest, []).append(added)
    used = {thing['label'] for image in earlier.images for thing in image.objects}
    names = dict.fromkeys((*earlier.categories, *newer.categories))
    earlier.categories = tuple(name for name in names if name in used or name in earlier.categories)
    earlier.originals.clear()
    if newer.format not in earlier.format:
        earlier.format += f', {newer.format}'
    earlier.found += newer.found - len(replaced) - labelled_now
    for reason, left in newer.left_out.items():
        there = earlier.left_out.setdefault(reason, [])
        there += [str((newer.folder / name).resolve()) for name in left]
    earlier.notes += [f'{newer.folder}: {note}' for note in newer.notes]
    which = f' ({listed(replaced)})' if replaced else ''
    earlier.notes.append(
        f'{newer.folder}: {len(paths) - len(replaced)} images more, and newer annotations of '
        f'{len(replaced)}{which}'
    )
