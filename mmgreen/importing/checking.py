"""What a dataset lacks, in plain words: ImageNet's format, COCO's, or a folder of images."""

from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.progress import track

from mmgreen.datasets.annotations import Annotations, examine_annotations, is_size
from mmgreen.datasets.faults import listed
from mmgreen.datasets.images import EXTENSIONS, decoding_fault, evenly_spaced, is_image_name
from mmgreen.datasets.sizes import describe_difference, look
from mmgreen.datasets.statistics import measure_images
from mmgreen.errors import UserError
from mmgreen.images import is_deep

from .coco_files import find_coco_files, image_folder
from .recognising import read_dataset

#: The modes of so many images are counted in a folder without annotations.
_MOST_OPENED = 2000
#: Modes of eight bits.
_PLAIN = ('1', 'L', 'LA', 'P', 'PA', 'RGB', 'RGBA', 'CMYK', 'YCbCr')
#: What :func:`check_dataset` can recognise.
FORMATS = ('imagenet', 'coco', 'images')


def check_dataset(
    folder: Path,
    format: str | None = None,
    ann_files: list[Path] | None = None,
    decode: bool = False,
    statistics: bool = False,
) -> int:
    """Check a dataset, and print what is found, the worst first.

    The format is recognised: a folder ``annotations`` with JSON files, or Roboflow's
    ``*/_annotations.coco.json``, is COCO; class folders below ``train`` are ImageNet;
    anything else is a folder of images, which may have annotations of LabelMe, Pascal VOC or YOLO.

    Args:
        folder: Folder of the dataset.
        format: One of :data:`FORMATS`, not to guess.
        ann_files: COCO annotation files, where they are not in ``annotations/``.
        decode: Decode every image, too, which is slow.
        statistics: Measure depth, range and channels of some images.

    Returns:
        The number of faults.

    Raises:
        UserError: If the folder does not exist.
    """
    if not folder.is_dir():
        raise UserError(f'folder {folder} does not exist')
    report = _Report()
    files = ann_files or find_coco_files(folder)
    format = format or _recognise(folder, files)
    print(f'{folder}: format of {format}')
    if format == 'coco':
        if not files:
            report.fault(f'{folder / "annotations"} holds no JSON file: see --ann-file')
        _check_coco(folder, files, report, decode)
    elif format == 'imagenet':
        _check_imagenet(folder, report, decode)
    else:
        if _check_images(folder, report, decode):
            _check_annotations(folder, report)
    if statistics:
        images = sorted(p for p in folder.rglob('*') if is_image_name(p.name))
        try:
            report.say(f'{folder}: {measure_images(images)}' if images else 'no image to measure')
        except UserError as error:
            report.fault(str(error))
    return report.show()


def _recognise(folder: Path, ann_files: list[Path]) -> str:
    train = folder / 'train'
    if ann_files:
        return 'coco'
    if train.is_dir() and any(path.is_dir() for path in train.iterdir()):
        return 'imagenet'
    return 'images'


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
            print(f'  FAULT: {text}')
        for text in self._warnings:
            print(f'  WARNING: {text}')
        for text in self._statements:
            print(f'  {text}')
        return len(self._faults)


def _check_images(folder: Path, report: _Report, decode: bool) -> list[Path]:
    """A folder of images, nested as deep as it may be."""
    files = sorted(p for p in folder.rglob('*') if p.is_file())
    images = [p for p in files if is_image_name(p.name)]
    if not images:
        report.fault(f'no image below {folder} (known are {", ".join(EXTENSIONS)})')
        return images
    kinds = Counter(p.suffix.lower() for p in images)
    counts = ', '.join(f'{count} {kind}' for kind, count in kinds.most_common())
    report.say(f'{folder}: {len(images)} images ({counts})')
    if len(files) > len(images):
        others = Counter(
            p.suffix.lower() or 'no ending' for p in files if not is_image_name(p.name)
        )
        counts = ', '.join(f'{count} {kind}' for kind, count in others.most_common())
        report.say(f'{folder}: {len(files) - len(images)} other files, not used ({counts})')
    _count_modes(folder, images, report)
    if decode:
        _check_decoding(images, report)
    return images


def _count_modes(folder: Path, images: list[Path], report: _Report) -> None:
    """Modes of images, of very many some, evenly spaced."""
    some = evenly_spaced(images, _MOST_OPENED)
    shown = track(some, 'Modes', console=Console(stderr=True), transient=True)
    _say_modes(folder, Counter(found.mode for found in map(look, shown) if found), report)


def _say_modes(folder: Path, modes: Counter[str], report: _Report) -> None:
    counts = ', '.join(f'{count} {mode}' for mode, count in modes.most_common())
    report.say(f'{folder}: modes of {modes.total()} images: {counts}')
    deep = sum(count for mode, count in modes.items() if mode not in _PLAIN)
    if deep:
        report.warn(
            f'{folder}: {deep} images of over 8 bits, or of floating-point numbers, need mmgreen.LoadImage '
            'in the pipeline, which mmgreen make-config sets; without it, of 16 bits the upper '
            'eight are seen, and floating-point numbers are refused'
        )


def _check_decoding(images: list[Path], report: _Report) -> None:
    shown = track(images, 'Decoding', console=Console(stderr=True), transient=True)
    broken = [p for p in shown if decoding_fault(str(p), is_deep(str(p)))]
    if broken:
        report.fault(f'{len(broken)} images cannot be decoded: {listed([str(p) for p in broken])}')


def _check_annotations(folder: Path, report: _Report) -> None:
    """Annotations of LabelMe, Pascal VOC or YOLO, where images have some."""
    try:
        dataset = read_dataset(folder)
    except UserError as error:
        report.fault(str(error))
        return
    if dataset.labelled:
        masks = 'masks' if dataset.has_masks else 'boxes'
        for split, images in dataset.splits.items():
            number = dataset.counts(split).total()
            report.say(f'{dataset.format}, {split}: {len(images)} images, {number} {masks}')
        report.say(f'{len(dataset.categories)} categories: {listed(dataset.categories)}')
        for note in dataset.notes:
            report.say(note)


def _check_imagenet(root: Path, report: _Report, decode: bool) -> None:
    """Class folders below train/ and val/."""
    classes = {}
    for split in ('train', 'val'):
        folder = root / split
        if not folder.is_dir():
            report.fault(f'{folder} is missing')
            continue
        classes[split] = sorted(p.name for p in folder.iterdir() if p.is_dir())
        if not classes[split]:
            report.fault(
                f'{folder} has no class folders: put the images of each class into a folder of its '
                'own, or name a list of images and class numbers in ann_file'
            )
            continue
        images = _check_images(folder, report, decode)
        counts = Counter(p.relative_to(folder).parts[0] for p in images)
        empty = [name for name in classes[split] if not counts[name]]
        if empty:
            report.fault(f'{len(empty)} class folders of {folder} are empty: {listed(empty)}')
        elif images:
            report.say(
                f'{folder}: {len(counts)} classes of {min(counts.values())} to '
                f'{max(counts.values())} images'
            )
    if len(classes) == 2 and all(classes.values()):
        train, val = (set(classes[split]) for split in ('train', 'val'))
        for names, here, there in ((train - val, 'train', 'val'), (val - train, 'val', 'train')):
            if names:
                report.fault(f'classes of {here} that {there} lacks: {listed(sorted(names))}')


def _check_heads(folder: Path, found: Annotations, missing: set[str], report: _Report) -> None:
    """Images are of the size that their annotations are for; their modes are counted."""
    faults = []
    modes: Counter[str] = Counter()
    for name, declared in zip(found.images, found.sizes, strict=True):
        head = None if name in missing else look(folder / name)
        if head is None:  # --decode says what is no image
            continue
        modes[head.mode] += 1
        if head.size != declared and is_size(declared):
            faults.append(describe_difference(folder / name, declared, head.size))
    if faults:
        report.fault(f'{len(faults)} images are of another size than annotated: {listed(faults)}')
    if modes:
        _say_modes(folder, modes, report)


def _check_coco(root: Path, files: list[Path], report: _Report, decode: bool) -> None:
    """Annotation files and their images."""
    sound: dict[Path, Annotations] = {}
    for path in files:
        try:
            found, faults = examine_annotations(str(path))
        except UserError as error:
            report.fault(str(error))
            continue
        for fault in faults:
            report.fault(fault)
        sound[path] = found
        folder = image_folder(root, found)
        kinds = ', '.join(f'{count} {kind}' for kind, count in found.kinds.items() if count)
        report.say(
            f'{path}: {len(found.images)} images in {folder}, {found.count} annotations ({kinds}), '
            f'{len(found.categories)} categories'
        )
        missing = found.missing_images(str(folder))
        if missing:
            report.fault(
                f'{len(missing)} images named in {path} are not in {folder}: {listed(missing)}'
            )
        _check_heads(folder, found, set(missing), report)
        if found.crowds():
            all_crowds = found.kinds['crowd'] == found.count
            (report.fault if all_crowds else report.warn)(found.crowds())
        if found.dropped():
            report.warn(f'{path}: {found.dropped()} are left out of training')
        if found.contradiction():
            report.fault(found.contradiction())
        if found.bare:
            report.warn(
                f'{path}: {len(found.bare)} images have no object (ids {listed(found.bare)}), and '
                'are left out of training where filter_cfg.filter_empty_gt is set'
            )
        if found.kinds['no mask']:
            report.warn(f'{path}: {found.kinds["no mask"]} have no mask, which Mask R-CNN needs')
        if decode:
            there = [folder / name for name in found.images if name not in set(missing)]
            _check_decoding(there, report)
    for path, found in list(sound.items())[1:]:
        first, other = next(iter(sound.items()))
        if found.categories != other.categories:
            differ = sorted(set(found.categories) ^ set(other.categories))
            report.fault(
                f'{first} and {path} disagree on their categories: '
                + (listed(differ) if differ else 'same names in another order')
            )
