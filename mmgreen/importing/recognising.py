"""Which format a folder has, and what it holds."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

import yaml

from mmgreen.datasets.faults import listed
from mmgreen.datasets.images import is_image_name
from mmgreen.errors import UserError

from .coco_files import find_coco_files, read_coco
from .dataset import AnnotatedImage, Dataset
from .label_studio import find_label_studio, read_label_studio
from .pairs import find_pairs, read_pairs
from .splits import split_of

#: What is looked for, in words.
FORMATS = (
    'COCO (annotations/*.json; CVAT and Datumaro with images/SUBSET/), Roboflow '
    '(*/_annotations.coco.json), Label Studio (its JSON, or COCO) or others (one COCO file beside a folder of images), '
    'LabelMe (.json beside each image), Pascal VOC (.xml, beside or in Annotations/), YOLO (labels/ '
    'beside images/, with data.yaml or classes.txt), class folders, or images alone'
)


def read_dataset(folder: Path, crowds_as_objects: bool = False) -> Dataset:
    """Recognise the format of a folder, and read it.

    Args:
        folder: Folder of the dataset.
        crowds_as_objects: Take each region of a COCO file that is marked as a crowd as one
            object.

    Raises:
        UserError: If the folder does not exist, no format or more than one is recognised, or
            what is there cannot be read.
    """
    if not folder.is_dir():
        raise UserError(f'folder {folder} does not exist')
    coco = find_coco_files(folder)
    paired = {
        'LabelMe': _labelme(folder) if not coco else [],
        'Pascal VOC': _voc(folder),
        'YOLO': _yolo(folder),
    }
    tasks = find_label_studio(folder) if not coco else []
    found = {'COCO': coco, 'Label Studio': tasks, **paired}
    there = [name for name, files in found.items() if files]
    if len(there) > 1:
        raise UserError(
            f'{folder} has annotations of several formats, {" and ".join(there)}: leave those of one '
            'in it'
        )
    if coco:
        return read_coco(folder, coco, crowds_as_objects)
    if tasks:
        return _read_tasks(folder, tasks)
    if there:
        return _read_paired(folder, there[0], paired[there[0]])
    return _read_images(folder)


def _labelme(folder: Path) -> list[tuple[Path, Path]]:
    pairs, _ = find_pairs(folder, folder, ['.json'])
    if pairs:
        try:
            content = json.loads(pairs[0][1].read_bytes())
        except ValueError:
            content = None
        if not isinstance(content, dict) or 'shapes' not in content:
            return []
    return pairs


def _voc(folder: Path) -> list[tuple[Path, Path]]:
    if (folder / 'Annotations').is_dir():
        images = folder / 'JPEGImages'
        return find_pairs(images if images.is_dir() else folder, folder / 'Annotations', ['.xml'])[
            0
        ]
    return find_pairs(folder, folder, ['.xml'])[0]


def _yolo(folder: Path) -> list[tuple[Path, Path]]:
    """Images with a text file each, those without one among them: they have no objects."""
    places = [(p.parent / 'images', p) for p in sorted(folder.rglob('labels')) if p.is_dir()]
    if not places and _yolo_names(folder):
        places = [(folder, folder)]
    pairs = []
    for images, labels in places:
        if images.is_dir():
            some, without = find_pairs(images, labels, ['.txt'])
            if some and images != labels:
                some += [
                    (image, (labels / image.relative_to(images)).with_suffix('.txt'))
                    for image in without
                ]
            pairs += some
    return sorted(pairs)


def _yolo_names(folder: Path) -> tuple[str, ...]:
    """Names of the categories: of ``data.yaml``, ``classes.txt`` or ``obj.names``."""
    for path in sorted([*folder.glob('*.yaml'), *folder.glob('*.yml')]):
        try:
            content = yaml.safe_load(path.read_text(encoding='utf-8'))
        except (OSError, ValueError, yaml.YAMLError) as error:
            raise UserError(f'{path} cannot be read: {error}') from error
        names = content.get('names') if isinstance(content, dict) else None
        if isinstance(names, dict):
            return tuple(str(names[number]) for number in sorted(names))
        if isinstance(names, list):
            return tuple(map(str, names))
    for name in ('classes.txt', 'obj.names', 'labels/classes.txt'):
        if (folder / name).is_file():
            lines = (folder / name).read_text(encoding='utf-8').splitlines()
            return tuple(line.strip() for line in lines if line.strip())
    return ()


def _read_paired(folder: Path, format: str, pairs: list[tuple[Path, Path]]) -> Dataset:
    left_out: Counter = Counter()
    names: tuple[str, ...] = ()
    if format == 'YOLO':
        names = _yolo_names(folder)
        if not names:
            raise UserError(
                f'{folder} has labels of YOLO, and no names of categories: put them into data.yaml '
                '(names: [...]) or, one a line, into classes.txt'
            )
    elif format == 'Pascal VOC' or format == 'LabelMe':
        total = sum(1 for path in folder.rglob('*') if is_image_name(path.name))
        left_out['images without an annotation file'] = total - len(pairs)
    return _of_images(folder, format, read_pairs(folder, pairs, left_out, names), left_out, names)


def _read_tasks(folder: Path, files: list[Path]) -> Dataset:
    left_out: Counter = Counter()
    if len(files) > 1:
        raise UserError(f'{folder} has several exports of Label Studio, {listed(files)}: leave one')
    images = read_label_studio(folder, files[0], left_out)
    return _of_images(folder, 'Label Studio', images, left_out)


def _of_images(
    folder: Path,
    format: str,
    images: list[AnnotatedImage],
    left_out: Counter,
    names: tuple[str, ...] = (),
) -> Dataset:
    names = names or tuple(sorted({o['label'] for image in images for o in image.objects}))
    if not any(image.objects for image in images):
        raise UserError(f'the annotations of {folder} contain no object')
    splits = _by_lists(folder, images) or _by_folders(images)
    notes = [f'left out: {count} {what}' for what, count in left_out.items() if count]
    return Dataset(folder, format, splits, names, notes)


def _by_folders(images: Iterable[AnnotatedImage]) -> dict[str, list[AnnotatedImage]]:
    """Splits as folders say; where only some images are in such a folder, these only."""
    splits: dict[str, list[AnnotatedImage]] = defaultdict(list)
    for image in images:
        named = [split for part in image.name.split('/')[:-1] if (split := split_of(part))]
        splits[named[0] if named else 'all'].append(image)
    if len(splits) > 1:
        splits.pop('all', None)
    return dict(splits)


def _by_lists(folder: Path, images: list[AnnotatedImage]) -> dict[str, list[AnnotatedImage]]:
    """Splits as VOC's ``ImageSets/Main`` or YOLO's ``train.txt`` list them."""
    lists = [folder / 'ImageSets' / 'Main', folder / 'ImageSets' / 'Segmentation', folder]
    for place in lists:
        files = {s: place / f'{s}.txt' for s in ('train', 'val', 'test')}
        files = {split: path for split, path in files.items() if path.is_file()}
        if files:
            break
    else:
        return {}
    splits = {}
    for split, path in files.items():
        lines = path.read_text(encoding='utf-8').splitlines()
        stems = {Path(line.split()[0]).stem for line in lines if line.strip()}
        splits[split] = [image for image in images if Path(image.name).stem in stems]
    return splits


def _read_images(folder: Path) -> Dataset:
    """Images without objects, in class folders or not."""
    names = [
        p.relative_to(folder).as_posix() for p in sorted(folder.rglob('*')) if is_image_name(p.name)
    ]
    if not names:
        there = sorted(p.name for p in folder.iterdir())
        raise UserError(
            f'{folder} has no format that is known, only {listed(there) or "nothing"}; looked for '
            f'were {FORMATS}'
        )
    splits = _by_folders(AnnotatedImage(name, (0, 0)) for name in names)
    depth = 2 if 'all' not in splits else 1
    classes = all(name.count('/') >= depth for name in names)
    return Dataset(folder, 'class folders' if classes else 'images', splits)
