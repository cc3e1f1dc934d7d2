"""What a dataset lacks, in plain words, found by reading it as a config or a run would."""

from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.progress import track

from mmgreen.datasets.class_folders import class_names
from mmgreen.datasets.faults import listed
from mmgreen.datasets.images import decoding_fault, evenly_spaced
from mmgreen.datasets.names import printable
from mmgreen.datasets.sizes import look
from mmgreen.datasets.statistics import measure_images
from mmgreen.errors import UserError
from mmgreen.images import is_deep

from .dataset import Dataset
from .reading import examine_folder, examine_images
from .source import Source
from .unknown import describe_not_understood

#: The modes of so many images are counted in a folder without annotations.
_MOST_OPENED = 2000
#: An object of so many pixels a side, or fewer, is rather a click.
_CLICK = 2
#: Modes of eight bits.
_PLAIN = ('1', 'L', 'LA', 'P', 'PA', 'RGB', 'RGBA', 'CMYK', 'YCbCr')
#: What :func:`check_dataset` can be told to take a folder for.
FORMATS = ('imagenet', 'coco', 'images')


def check_dataset(
    folder: Path,
    format: str | None = None,
    ann_files: list[Path] | None = None,
    decode: bool = False,
    statistics: bool = False,
) -> int:
    """Check a dataset, and print what is found, the worst first.

    The folder is read by the way of :func:`~mmgreen.importing.read_dataset`, so that a config can be
    made of what is sound, and of each image that is counted here.

    Args:
        folder: Folder of the dataset.
        format: One of :data:`FORMATS`, not to guess; of ``'images'`` and ``'imagenet'`` annotations are
            not read.
        ann_files: COCO annotation files to read alone.
        decode: Decode every image, too, which is slow.
        statistics: Measure depth, range and channels of some images.

    Returns:
        The number of faults.

    Raises:
        UserError: If the folder does not exist.
    """
    report = _Report()
    if ann_files and format in (None, 'coco'):
        dataset, source = examine_folder(folder, coco_files=ann_files)
    elif format in ('imagenet', 'images'):
        dataset, source = examine_images(folder)
    else:
        dataset, source = examine_folder(folder)
    for fault in source.faults.sentences():
        report.fault(fault)
    if format == 'coco' and (dataset is None or dataset.format != 'COCO'):
        report.fault(f'{folder / "annotations"} holds no JSON file of COCO: see --ann-file')
    if dataset is None:
        return report.show()
    print(f'{folder}: format of {dataset.format}')
    if dataset.not_understood and format is None:
        report.fault(f'{describe_not_understood(dataset)}; --layout images passes over them')
    for line in dataset.account() if dataset.images else ():  # else it is all faults
        (report.warn if line.startswith('left out') else report.say)(line)
    for note in dataset.notes:
        if note.startswith('WARNING: '):
            report.warn(note.removeprefix('WARNING: '))
        else:
            report.say(note)
    _describe(dataset, source, report)
    in_train = (folder / 'train').is_dir() and class_names(folder / 'train')
    by_splits = format is None and not dataset.labelled and 'train' in dataset.splits
    if format == 'imagenet' or (by_splits and in_train):
        _check_classes(folder, dataset, report)
    names = sorted(image.name for image in dataset.images)
    if decode:
        _check_decoding([folder / name for name in names], report)
    if statistics:
        try:
            measured = measure_images([folder / name for name in names])
            report.say(f'{folder}: {measured}')
        except UserError as error:
            report.fault(str(error))
    return report.show()


class _Report:
    """What is found: faults, what to think of, and what there is."""

    def __init__(self) -> None:
        self._faults: list[str] = []
        self._warnings: list[str] = []
        self._statements: list[str] = []

    def fault(self, text: str) -> None:
        """What no run can use."""
        self._faults.append(text)

    def warn(self, text: str) -> None:
        """What a run leaves out, or is likely wrong."""
        self._warnings.append(text)

    def say(self, text: str) -> None:
        self._statements.append(text)

    def show(self) -> int:
        """Print it, the worst first; returns the number of faults."""
        for text in self._faults:
            print(f'  FAULT: {printable(text)}')
        for text in self._warnings:
            print(f'  WARNING: {printable(text)}')
        for text in self._statements:
            print(f'  {printable(text)}')
        return len(self._faults)


def _describe(dataset: Dataset, source: Source, report: _Report) -> None:
    """Splits, categories, kinds of files and modes."""
    folder = dataset.folder
    masks = 'masks' if dataset.has_masks else 'boxes'
    for split, images in dataset.splits.items() if dataset.images else ():
        number = f', {dataset.counts(split).total()} {masks}' if dataset.labelled else ''
        report.say(f'{dataset.format}, {split}: {len(images)} images{number}')
    if dataset.labelled:
        count = len(dataset.categories)
        kind = 'category' if count == 1 else 'categories'
        report.say(f'{count} {kind}: {listed(dataset.categories)}')
    clicks = [
        image.name
        for image in dataset.images
        if any(max(thing['bbox'][2:]) <= _CLICK for thing in image.objects)
    ]
    if clicks:
        report.warn(
            f'{len(clicks)} images have objects of {_CLICK} pixels a side or less, clicks perhaps: {listed(clicks)}'
        )
    used = [image.name for image in dataset.images]
    kinds = Counter(Path(name).suffix.lower() for name in used)
    if used:
        report.say(f'{folder}: {len(used)} images ({_counts(kinds)})')
    others = Counter(Path(name).suffix.lower() or 'no ending' for name in source.tree.others)
    if others and not dataset.labelled:
        report.say(f'{folder}: {others.total()} other files, not used ({_counts(others)})')
    modes = source.modes
    if not modes and used:
        some = evenly_spaced(used, _MOST_OPENED)
        shown = track(some, 'Modes', console=Console(stderr=True), transient=True)
        modes = Counter(found.mode for found in (look(folder / name) for name in shown) if found)
    report.say(f'{folder}: modes of {modes.total()} images: {_counts(modes)}')
    deep = sum(count for mode, count in modes.items() if mode not in _PLAIN)
    if deep:
        report.warn(
            f'{folder}: {deep} images of over 8 bits, or of floating-point numbers, need mmgreen.LoadImage '
            'in the pipeline, which mmgreen make-config sets; without it, of 16 bits the upper '
            'eight are seen, and floating-point numbers are refused'
        )


def _counts(counter: Counter[str]) -> str:
    return ', '.join(f'{count} {what}' for what, count in counter.most_common())


def _check_decoding(images: list[Path], report: _Report) -> None:
    shown = track(images, 'Decoding', console=Console(stderr=True), transient=True)
    broken = [p for p in shown if decoding_fault(str(p), is_deep(str(p)))]
    if broken:
        report.fault(f'{len(broken)} images cannot be decoded: {listed([str(p) for p in broken])}')


def _check_classes(root: Path, dataset: Dataset, report: _Report) -> None:
    """Class folders below train/ and val/, as classification takes them."""
    classes: dict[str, set[str]] = {}
    images = dataset.images
    for split in ('train', 'val'):
        folder = root / split
        if not folder.is_dir():
            report.fault(f'{folder} is missing')
            continue
        inside = [i.name.split('/')[1:] for i in images if i.name.startswith(f'{split}/')]
        counts = Counter(parts[0] for parts in inside if len(parts) > 1)
        names = class_names(folder)
        if not names:
            report.fault(
                f'{folder} has no class folders: put the images of each class into a folder of its '
                'own, or name a list of images and class numbers in ann_file'
            )
            continue
        classes[split] = set(names)
        empty = [name for name in names if not counts[name]]
        if empty:
            report.fault(f'{len(empty)} class folders of {folder} are empty: {listed(empty)}')
        elif counts:
            report.say(
                f'{folder}: {len(counts)} classes of {min(counts.values())} to '
                f'{max(counts.values())} images'
            )
    if len(classes) == 2:
        train, val = classes['train'], classes['val']
        for more, here, there in ((train - val, 'train', 'val'), (val - train, 'val', 'train')):
            if more:
                report.fault(f'classes of {here} that {there} lacks: {listed(sorted(more))}')
