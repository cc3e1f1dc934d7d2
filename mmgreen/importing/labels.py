"""Objects of a whole dataset: complete, named, and none of them taught as background."""

from collections import Counter, defaultdict

from mmgreen.datasets.names import alike, clean_name

from .dataset import IGNORE, AnnotatedImage
from .layouts import Reading
from .layouts.layout import shown
from .objects import OUTSIDE, Unread, complete, corners_of_box
from .source import Source


def finish(source: Source, reading: Reading, crowds_as_objects: bool) -> tuple[str, ...]:
    """Bring what a layout has read to what all layouts promise.

    Args:
        source: Told what is done and what is wrong.
        reading: Changed in place; its originals are given up where something is.
        crowds_as_objects: Take each crowd as one object.

    Returns:
        Names of the categories.
    """
    if not reading.complete:
        images = [image for some in reading.splits.values() for image in some]
        for image in shown(images, 'Objects'):
            _complete(source, image)
    categories = _categories(source, reading)
    _drop_unread(source, reading)
    _look_at_crowds(source, reading, crowds_as_objects)
    _ignore_regions(source, categories, reading)
    _look_at_masks(source, reading)
    return categories


def _complete(source: Source, image: AnnotatedImage) -> None:
    """Check, clip and complete the objects of an image."""
    kept = []
    for thing in image.objects:
        try:
            if 'unread' in thing:
                raise Unread(thing['unread'])
            whole = complete(thing, image.size)
        except Unread as error:
            image.unread.append(str(error))
            continue
        if whole is None:
            source.objects_left_out[OUTSIDE] += 1
        else:
            kept.append(whole)
    image.objects = kept


def _categories(source: Source, reading: Reading) -> tuple[str, ...]:
    """Names of the categories; labels become names that can stand anywhere."""
    written: dict[str, set[str]] = defaultdict(set)
    for image in (image for some in reading.splits.values() for image in some):
        for thing in image.objects:
            label = str(thing['label'])
            thing['label'] = clean_name(label)
            if not thing['label']:
                image.unread.append('objects without a label')
            elif label != IGNORE:
                written[thing['label']].add(label)
    for name, labels in written.items():
        if labels != {name}:
            source.remarks.append(
                f'{", ".join(map(repr, sorted(labels)))} {"are" if len(labels) > 1 else "is"} taken for '
                f'{name!r}'
            )
    names = [clean_name(name) for name in reading.categories] or sorted(written)
    twice = [name for name, count in Counter(names).items() if count > 1 or not name]
    if twice:
        source.faults.add(
            'names twice',
            'categories',
            f'{source.folder} has several categories called {twice[0]!r}: give them names of their own',
        )
    for some in alike(names):
        source.warnings.append(
            f'categories {", ".join(map(repr, some))} differ in large and small letters alone: are they '
            'meant to be one?'
        )
    return tuple(names)


def _drop_unread(source: Source, reading: Reading) -> None:
    """Images with objects that cannot be read are not used: these would be taught as background."""
    for split, images in reading.splits.items():
        for image in images:
            if image.unread:
                reason = f'with {image.unread[0]}, which would be taught as background'
                source.leave_out(reason, image.name)
                reading.originals.clear()
        reading.splits[split] = [image for image in images if not image.unread]


def _ignore_regions(source: Source, categories: tuple[str, ...], reading: Reading) -> None:
    """What is to be ignored, whatever it shows, is a crowd of every category."""
    if IGNORE in reading.categories:
        return
    number = 0
    for image in (image for some in reading.splits.values() for image in some):
        regions = [thing for thing in image.objects if thing['label'] == IGNORE]
        if regions:
            number += len(regions)
            image.objects = [thing for thing in image.objects if thing['label'] != IGNORE]
            image.objects += [
                dict(thing, label=name, iscrowd=1) for thing in regions for name in categories
            ]
    if number:
        source.remarks.append(f'{number} regions are labelled {IGNORE}: crowds of every category')


def _look_at_crowds(source: Source, reading: Reading, as_objects: bool) -> None:
    things = [thing for thing in _things(reading) if thing['label'] != IGNORE]
    crowds = [thing for thing in things if thing['iscrowd']]
    if not crowds:
        return
    of = f'objects of {source.folder} are crowds (iscrowd 1)'
    why = 'exporters such as CVAT mark masks drawn with a brush so'
    if as_objects:
        for thing in crowds:
            thing['iscrowd'] = 0
        reading.originals.clear()
        source.remarks.append(f'{len(crowds)} {of}, each taken as one object')
    elif len(crowds) == len(things):
        source.faults.add(
            'crowds',
            'all',
            f'all {len(things)} {of}, which training ignores; {why}: pass --crowds-as-objects to '
            'take each as one object',
        )
    elif len(crowds) > len(things) / 10:
        source.warnings.append(
            f'{len(crowds)} of {len(things)} {of}, which training ignores; {why}: '
            '--crowds-as-objects takes each as one object'
        )


def _look_at_masks(source: Source, reading: Reading) -> None:
    """Where most objects have outlines, a box alone is a region to be ignored."""
    real = [thing for thing in _things(reading) if not thing['iscrowd']]
    boxes = [thing for thing in real if 'segmentation' not in thing]
    if 0 < len(boxes) < len(real) / 2:
        for thing in boxes:
            thing['iscrowd'] = 1
        reading.originals.clear()
        source.warnings.append(
            f'{len(boxes)} of {len(real)} objects are boxes without an outline: they become crowds, '
            'which training ignores, so that masks can be learnt from the others'
        )
    elif boxes and len(boxes) < len(real):
        source.warnings.append(
            f'{len(real) - len(boxes)} of {len(real)} objects have an outline: their boxes are used'
        )
    if len(boxes) < len(real) / 2:
        for thing in _things(reading):
            if 'segmentation' not in thing:
                x, y, w, h = thing['bbox']
                thing['segmentation'] = [corners_of_box(x, y, x + w, y + h)]
                reading.originals.clear()


def _things(reading: Reading) -> list[dict]:
    return [t for some in reading.splits.values() for image in some for t in image.objects]
