"""Which layout a folder has, and what it holds: one way in for checks, configs, conversions and runs."""

import os
from pathlib import Path

from mmgreen.datasets.faults import listed
from mmgreen.datasets.images import EXTENSIONS
from mmgreen.datasets.tree import is_nameable, stem
from mmgreen.errors import UserError

from .dataset import AnnotatedImage, Dataset
from .labels import finish
from .layouts import COCO, LAYOUTS, Layout, read_images
from .source import IN_NO_LIST, NOT_ANNOTATED, Source
from .splits import by_folders, by_lists, find_lists, keep_apart, unite
from .unknown import (
    describe_not_understood,
    find_not_understood,
    warn_of_detections,
    warn_of_masks,
    warn_of_unread,
    without_copies,
)

#: Images alone are opened, to see whether they are some, where they are no more.
_MOST_OPENED = 20_000


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
    if any(names for layout, names in claimed.items() if layout is not COCO):
        claimed[COCO] = without_copies(source, claimed[COCO])
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
    categories = finish(source, reading, crowds_as_objects)
    splits = _divide_by_names(source, splits)
    if _keep_apart(source, splits):
        reading.originals.clear()
    used = {stem(image.name) for some in splits.values() for image in some}
    warn_of_unread(source, set(names), used)
    dataset = _account(source, layout.name, splits, categories)
    dataset.originals = {s: files for s, files in reading.originals.items() if s in splits}
    if not any(image.objects for image in dataset.images) and not source.faults.sentences():
        why = f' ({"; ".join(dataset.account()[1:])})' if dataset.left_out else ''
        source.faults.add(
            'no object', 'all', f'the annotations of {source.folder} contain no object{why}'
        )
    return dataset


def _read_unlabelled(source: Source) -> Dataset | None:
    if len(source.tree.images) <= _MOST_OPENED:  # of more, training names and skips them
        for name in list(source.tree.images):
            if source.size(name) is None:
                del source.tree.images[name]
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
    format, reading = read_images(source)
    splits = reading.splits
    files, lists = find_lists(source)
    if lists and 'all' in splits:
        found = by_lists(source, lists, splits['all'], listed(files))
        if any(found.values()):
            splits = found
        else:  # lists of something else
            source.left_out.pop(IN_NO_LIST, None)
            files = []
    _keep_apart(source, splits)
    warn_of_masks(source)
    warn_of_detections(source)
    dataset = _account(source, format, splits, ())
    dataset.not_understood = find_not_understood(source, set(files))
    return dataset


def _divide_by_names(
    source: Source, splits: dict[str, list[AnnotatedImage]]
) -> dict[str, list[AnnotatedImage]]:
    """Splits as lists or folders say, where the layout itself names none."""
    if set(splits) != {'all'}:
        return splits
    images = splits['all']
    files, lists = find_lists(source)
    if lists:
        return by_lists(source, lists, images, listed(files))
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
