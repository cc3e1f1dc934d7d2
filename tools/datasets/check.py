#!/usr/bin/env python
"""Check a dataset before a run: ImageNet's layout, COCO's, or a folder of images.

The layout is recognised: a folder 'annotations' with JSON files is COCO, class
folders below 'train' are ImageNet, anything else is a folder of images. Ends with
status 1 if something is missing or cannot be used.
"""

import argparse
import sys
from collections import Counter
from pathlib import Path

from mmengine.utils import track_iter_progress

import mmgreen  # noqa: F401
from mmgreen.datasets.annotations import Annotations, read_annotations
from mmgreen.datasets.corrupt import decoding_fault
from mmgreen.datasets.folders import EXTENSIONS
from mmgreen.errors import UserError, one_sentence

#: How many names a line lists.
LISTED = 10


class Report:
    """Prints what is found, and counts what is wrong."""

    faults = 0

    def say(self, text: str) -> None:
        print(f'  {text}')

    def fault(self, text: str) -> None:
        self.faults += 1
        print(f'  FAULT: {text}')


def listed(names: list[str]) -> str:
    more = f' and {len(names) - LISTED} more' if len(names) > LISTED else ''
    return ', '.join(names[:LISTED]) + more


def is_image(path: Path) -> bool:
    return path.name.lower().endswith(EXTENSIONS)


def check_images(folder: Path, report: Report, decode: bool) -> list[Path]:
    """A folder of images, nested as deep as it may be."""
    files = sorted(p for p in folder.rglob('*') if p.is_file())
    images = [p for p in files if is_image(p)]
    if not images:
        report.fault(f'no image below {folder} (known are {", ".join(EXTENSIONS)})')
        return images
    kinds = Counter(p.suffix.lower() for p in images)
    said = ', '.join(f'{count} {kind}' for kind, count in kinds.most_common())
    report.say(f'{folder}: {len(images)} images ({said})')
    if len(files) > len(images):
        others = Counter(p.suffix.lower() or 'no ending' for p in files if not is_image(p))
        said = ', '.join(f'{count} {kind}' for kind, count in others.most_common())
        report.say(f'{folder}: {len(files) - len(images)} other files, not used ({said})')
    if decode:
        check_decoding(images, report)
    return images


def check_decoding(images: list[Path], report: Report) -> None:
    broken = [p for p in track_iter_progress(images, file=sys.stderr) if decoding_fault(str(p))]
    if broken:
        report.fault(f'{len(broken)} images cannot be decoded: {listed([str(p) for p in broken])}')


def check_imagenet(root: Path, report: Report, decode: bool) -> None:
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
        images = check_images(folder, report, decode)
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


def image_folder(root: Path, found: Annotations) -> Path:
    """Where the images of an annotation file are, as val2017/ for instances_val2017.json.

    Where no folder is of such a name, the one that has most of the images.
    """
    folders = [p for p in root.iterdir() if p.is_dir() and p.name != 'annotations']
    namesakes = [p for p in folders if p.name in Path(found.path).stem]
    return min(
        sorted(namesakes or [root, *folders]),
        key=lambda folder: len(found.missing_images(str(folder))),
    )


def check_coco(root: Path, files: list[Path], report: Report, decode: bool) -> None:
    """Annotation files and their images."""
    sound: dict[Path, Annotations] = {}
    for path in files:
        try:
            found = read_annotations(str(path))
        except UserError as error:
            report.fault(str(error))
            continue
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
        if found.dropped():
            report.say(f'{path}: {found.dropped()} are left out of training')
        if found.kinds['no mask']:
            report.say(f'{path}: {found.kinds["no mask"]} have no mask, which Mask R-CNN needs')
        if decode:
            there = [folder / name for name in found.images if name not in set(missing)]
            check_decoding(there, report)
    for path, found in list(sound.items())[1:]:
        first, other = next(iter(sound.items()))
        if found.categories != other.categories:
            differ = sorted(set(found.categories) ^ set(other.categories))
            report.fault(
                f'{first} and {path} disagree on their categories: '
                + (listed(differ) if differ else 'same names in another order')
            )


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog='example: %(prog)s data/coco',
    )
    parser.add_argument('folder', type=Path)
    parser.add_argument('--layout', choices=['imagenet', 'coco', 'images'], help='do not guess')
    parser.add_argument(
        '--ann-file', type=Path, nargs='+', help='COCO annotation files, if not in annotations/'
    )
    parser.add_argument('--decode', action='store_true', help='decode every image (slow)')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    report = Report()
    with one_sentence():
        if not args.folder.is_dir():
            raise UserError(f'folder {args.folder} does not exist')
        files = args.ann_file or sorted((args.folder / 'annotations').glob('*.json'))
        train = args.folder / 'train'
        layout = args.layout or (
            'coco'
            if files
            else 'imagenet'
            if train.is_dir() and any(p.is_dir() for p in train.iterdir())
            else 'images'
        )
        print(f'{args.folder}: layout of {layout}')
        if layout == 'coco':
            if not files:
                report.fault(f'{args.folder / "annotations"} holds no JSON file: see --ann-file')
            check_coco(args.folder, files, report, args.decode)
        elif layout == 'imagenet':
            check_imagenet(args.folder, report, args.decode)
        else:
            check_images(args.folder, report, args.decode)
    if report.faults:
        sys.exit(f'error: {report.faults} faults in {args.folder}, listed above')
    print('  sound')


if __name__ == '__main__':
    main()
