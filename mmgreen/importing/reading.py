"""Which layout a folder has, and what it holds: one way in for checks, configs, conversions and runs."""

import os
import re
from collections import Counter, defaultdict
from pathlib import Path

from mmgreen.datasets.faults import listed
from mmgreen.datasets.images import EXTENSIONS
from mmgreen.datasets.names import alike, clean_name
from mmgreen.datasets.tree import is_nameable, stem
from mmgreen.errors import UserError

from .dataset import IGNORE, AnnotatedImage, Dataset
from .layouts import COCO, LAYOUTS, Layout, Reading, read_images
from .layouts.layout import shown
from .objects import OUTSIDE, Unread, complete, corners_of_box
from .source import IN_NO_LIST, NOT_ANNOTATED, Source
from .splits import by_folders, by_lists, find_lists, keep_apart, unite

#: Endings of files in which annotations may lie.
_TEXTS = (
    *('.json', '.jsonl', '.ndjson', '.geojson', '.xml', '.csv', '.tsv', '.txt', '.yaml', '.yml'),
    *('.parquet', '.arrow', '.tfrecord', '.record', '.mat', '.pkl', '.h5', '.xlsx', '.toml'),
)
#: Folders of pictures that are masks of others.
_MASKS = re.compile(r'mask|label|annotation|segmentation|^gt|ground.?truth', re.IGNORECASE)
#: So many bytes of such a file are looked through, of so many files.
_LOOKED_THROUGH, _MOST_FILES = 1 << 18, 1000
#: Images alone are opened, to see whether they are some, where they are no more.
_MOST_OPENED = 20_000
_IMAGE_NAME = re.compile(
    rf'[^\s"\'<>,;:|\x00-\x1f]+(?:{"|".join(map(re.escape, EXTENSIONS))})(?![\w.])', re.IGNORECASE
)


def read_dataset(
    folder: Path,
    crowds_as_objects: bool = False,
    annotations: Path | None = None,
    labels_matter: bool = True,
) -> Dataset:
    """Recognise the layout of a folder, and read it.

    Args:
        folder: Folder of the images.
        crowds_as_objects: Take each region that is marked as a crowd as one object.
        annotations: Folder of the annotation files of images, if it is another one.
        labels_matter: Whether files that name images, and are of no layout, are a fault.

    Raises:
        UserError: If the folder does not exist, more than one layout is recognised, or
            what is there cannot be used.
    """
    dataset, source = examine_folder(folder, crowds_as_objects, annotations)
    if dataset is not None and dataset.not_understood and labels_matter:
        source.faults.add('not understood', folder, describe_not_understood(dataset))
    faults = source.faults.sentences()
    if faults:
        others = f' (and {len(faults) - 1} faults of other kinds)' if len(faults) > 1 else ''
        raise UserError(f'{faults[0]}{others}: mmgreen check lists all faults')
    assert dataset is not None
    return dataset


def examine_folder(
    folder: Path,
    crowds_as_objects: bool = False,
    annotations: Path | None = None,
    coco_files: list[Path] | None = None,
) -> tuple[Dataset | None, Source]:
    """Read a folder, and find all that is wrong with it.

    Args:
        folder: See :func:`read_dataset`.
        crowds_as_objects: See :func:`read_dataset`.
        annotations: See :func:`read_dataset`.
        coco_files: COCO's annotation files to read, and no other ones.

    Returns:
        What can be read, if anything, and what was found on the way; where its ``faults`` are empty,
        the dataset can be used.

    Raises:
        UserError: If a folder does not exist.
    """
    source = _source(folder, annotations)
    if coco_files:
        names = [os.path.relpath(path, folder) for path in coco_files]
        return _read_labelled(source, COCO, names, crowds_as_objects), source
    claimed = {layout: layout.find(source) for layout in LAYOUTS}
    there = [layout for layout, names in claimed.items() if names]
    if len(there) > 1:
        formats = ' and '.join(layout.name for layout in there)
        files = listed([claimed[layout][0] for layout in there])
        source.faults.add(
            'several layouts',
            folder,
            f'{folder} has annotations of several formats, {formats} ({files}): leave those of one in it',
        )
        return None, source
    if there:
        return _read_labelled(source, there[0], claimed[there[0]], crowds_as_objects), source
    return _read_unlabelled(source), source


def examine_images(folder: Path) -> tuple[Dataset | None, Source]:
    """Read a folder as images alone, whatever annotations lie there; see :func:`examine_folder`."""
    source = _source(folder)
    return _read_unlabelled(source), source


def _source(folder: Path, annotations: Path | None = None) -> Source:
    for place in (folder, annotations):
        if place and not is_nameable(str(place)):
            raise UserError(
                f'folder {str(place)!r} has a name that configs cannot hold (a line break, {{{{, or '
                'letters that are not UTF-8): rename it'
            )
    return Source(folder, annotations)


def _read_labelled(
    source: Source, layout: Layout, names: list[str], crowds_as_objects: bool
) -> Dataset:
    reading = layout.read(source, names)
    splits = reading.splits
    if unite(source, splits):
        reading.originals.clear()
    for image in shown_images(splits):
        _finish(source, image, reading)
    categories = _categories(source, reading)
    _drop_unread(source, reading)
    _look_at_crowds(source, reading, crowds_as_objects)
    _ignore_regions(source, categories, reading)
    _look_at_masks(source, reading)
    splits = _divide_by_names(source, splits)
    if _keep_apart(source, splits):
        reading.originals.clear()
    dataset = _account(source, layout.name, splits, categories)
    dataset.originals = {s: files for s, files in reading.originals.items() if s in splits}
    if not any(image.objects for image in dataset.images) and not source.faults.sentences():
        why = f' ({"; ".join(dataset.account()[1:])})' if dataset.left_out else ''
        source.faults.add(
            'no object', 'all', f'the annotations of {source.folder} contain no object{why}'
        )
    return dataset


def _read_unlabelled(source: Source) -> Dataset | None:
    if not source.tree.images:
        others = sorted({name.split('/')[0] for name in source.tree.others})
        looked_for = '; '.join(f'{layout.name}: {layout.looks}' for layout in LAYOUTS)
        left_out = [f'{len(names)} images {why}' for why, names in source.left_out.items()]
        source.faults.add(
            'nothing',
            source.folder,
            f'no image below {source.folder} (known are {", ".join(EXTENSIONS)}), only '
            f'{listed([*left_out, *others]) or "nothing"}; looked for were {looked_for}, class folders, '
            'or images alone',
        )
        return None
    if len(source.tree.images) <= _MOST_OPENED:  # of more, training names and skips them
        broken = [name for name in source.tree.images if source.size(name) is None]
        for name in broken:
            del source.tree.images[name]
    format, reading = read_images(source)
    splits = reading.splits
    if 'all' in splits:
        where, lists = find_lists(source)
        if lists:
            found = by_lists(source, lists, splits['all'], f'{where}*.txt')
            if any(found.values()):
                splits = found
            else:
                source.left_out.pop(IN_NO_LIST, None)
    _keep_apart(source, splits)
    _warn_of_masks(source)
    dataset = _account(source, format, splits, ())
    dataset.not_understood = _find_not_understood(source)
    return dataset


def shown_images(splits: dict[str, list[AnnotatedImage]]) -> list[AnnotatedImage]:
    """Images of all splits, with progress on the screen."""
    images = [image for some in splits.values() for image in some]
    return list(images) if len(images) < 1000 else list(shown(images, 'Objects'))  # type: ignore[arg-type]


def _finish(source: Source, image: AnnotatedImage, reading: Reading) -> None:
    """Check, clip and complete the objects of an image."""
    if reading.complete:
        return
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


def _divide_by_names(
    source: Source, splits: dict[str, list[AnnotatedImage]]
) -> dict[str, list[AnnotatedImage]]:
    """Splits as lists or folders say, where the layout itself names none."""
    if set(splits) != {'all'}:
        return splits
    images = splits['all']
    where, lists = find_lists(source)
    if lists:
        return by_lists(source, lists, images, f'{where}*.txt')
    return by_folders(source, images) or splits


def _keep_apart(source: Source, splits: dict[str, list[AnnotatedImage]]) -> bool:
    """Leave out what is in two splits; returns whether anything was."""
    taken, faults = keep_apart(source.folder, splits)
    for fault in faults:
        source.faults.add(fault, source.folder, fault)
    for reason, names in taken.items():
        source.left_out[reason] += names
    return bool(taken)


def _account(
    source: Source,
    format: str,
    splits: dict[str, list[AnnotatedImage]],
    categories: tuple[str, ...],
) -> Dataset:
    """The dataset, with what became of every image."""
    used = {image.name for some in splits.values() for image in some}
    named = {name for names in source.left_out.values() for name in names}
    rest = [name for name in source.tree.images if name not in used and name not in named]
    left_out = {reason: sorted(set(names)) for reason, names in source.left_out.items() if names}
    if rest:
        left_out[NOT_ANNOTATED] = rest
    notes = [f'WARNING: {text}' for text in source.warnings] + source.remarks
    notes += [
        f'left out: {count} {what}' for what, count in source.objects_left_out.items() if count
    ]
    bare = sum(not image.objects for some in splits.values() for image in some)
    if categories and bare:
        notes.append(f'{bare} images have no object: they teach what none looks like')
    found = len(used | named | set(rest))
    return Dataset(
        source.folder, format, splits, categories, notes, {}, found=found, left_out=left_out
    )


def _warn_of_masks(source: Source) -> None:
    """Pictures of masks would be trained on as images."""
    inside, outside = [], set()
    for name in source.tree.images:
        folder, _, base = name.rpartition('/')
        if any(_MASKS.search(part) for part in folder.split('/')):
            inside.append(name)
        else:
            outside.add(stem(base))
    masks = [name for name in inside if stem(name.rpartition('/')[2]) in outside]
    if masks:
        source.warnings.append(
            f'{len(masks)} images are named as others and lie in folders of masks, which are not read, '
            f'but trained on as images: {listed(masks)}'
        )


def describe_not_understood(dataset: Dataset) -> str:
    """Files that may be annotations, in a sentence."""
    return (
        f'{len(dataset.not_understood)} files of {dataset.folder} name its images and are of no format '
        f'that is known: {listed(dataset.not_understood)} (move them away, if they are no annotations; a pre-training, --model greenmim_swin-tiny, reads '
        'none)'
    )


def _find_not_understood(source: Source) -> list[str]:
    """Files that name images of the folder, or are named as they are, and were not read."""
    images = {name.rpartition('/')[2] for name in source.tree.images}
    stems = {stem(name) for name in images}
    found = []
    texts = [name for name in source.tree.others if name.lower().endswith(_TEXTS)]
    lists = set()
    where, lines = find_lists(source)
    if lines:
        lists = {name for name in texts if name.startswith(where) and name.endswith('.txt')}
    for name in texts[:_MOST_FILES]:
        if name in lists:
            continue
        if stem(name.rpartition('/')[2]) in stems:
            found.append(name)
            continue
        with open(source.tree.path(name), 'rb') as file:
            text = file.read(_LOOKED_THROUGH).decode('utf-8', 'replace')
        words = {re.split(r'[/\\]', word)[-1] for word in _IMAGE_NAME.findall(text)}
        if words & images:
            found.append(name)
    return found
