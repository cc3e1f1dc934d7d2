"""COCO's annotation files wherever exporters put them, and the images that they name."""

import json
import os
from collections import defaultdict
from pathlib import Path

from mmgreen.datasets.annotations import Annotations, examine_annotations
from mmgreen.datasets.faults import listed
from mmgreen.errors import UserError

from .dataset import AnnotatedImage, Dataset
from .splits import split_of

#: Roboflow's annotation file, beside its images.
ROBOFLOW = '_annotations.coco.json'


def find_coco_files(folder: Path) -> list[Path]:
    """Annotation files of a dataset.

    In ``annotations/`` (COCO, CVAT, Datumaro; where some are called ``instances_*``, those),
    else Roboflow's, else those in the folder itself (Label Studio's ``result.json``).
    """
    there = sorted((folder / 'annotations').glob('*.json'))
    there = [path for path in there if path.name.startswith('instances_')] or there
    if not there:
        there = sorted([*folder.glob(f'*/{ROBOFLOW}'), *folder.glob(ROBOFLOW)])
    return there or [path for path in sorted(folder.glob('*.json')) if _is_coco(path)]


def _is_coco(path: Path) -> bool:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and {'images', 'annotations', 'categories'} <= content.keys()


def image_folder(root: Path, found: Annotations) -> Path:
    """Where the images of an annotation file are.

    Folders of its name come first, as ``val2017`` and ``images/val2017`` for
    ``instances_val2017.json``; of those, the one that has most of the images.
    """
    path = Path(found.path)
    if path.name == ROBOFLOW:
        return path.parent
    folders = [p for p in root.iterdir() if p.is_dir() and p.name != 'annotations']
    images = root / 'images'
    folders += [p for p in images.iterdir() if p.is_dir()] if images.is_dir() else []
    namesakes = [p for p in folders if p.name in path.stem]
    for some in (namesakes, [root, *folders]):
        ranked = sorted((len(found.missing_images(str(folder))), folder) for folder in some)
        if ranked and (ranked[0][0] < len(found.images) or not found.images):
            return ranked[0][1]
    return images if images.is_dir() else root


def read_coco(folder: Path, files: list[Path], crowds_as_objects: bool = False) -> Dataset:
    """Read all splits of a dataset.

    Args:
        folder: Folder of the dataset.
        files: Annotation files. Where some are named after a split, the others are left out.
        crowds_as_objects: Take each region that is marked as a crowd as one object.

    Raises:
        UserError: If a file has a fault, an image is not there, splits have different
            categories, or all objects are crowds.
    """
    by_split: dict[str, list[Path]] = defaultdict(list)
    for path in files:
        split = split_of(path.parent.name if path.name == ROBOFLOW else path.stem)
        by_split[split or 'all'].append(path)
    notes = []
    if len(by_split) > 1 and 'all' in by_split:
        others = by_split.pop('all')
        notes.append(f'left out: {listed([str(p) for p in others])}, named after no split')
    twice = [paths for split, paths in by_split.items() if split != 'all' and len(paths) > 1]
    if twice:
        raise UserError(
            f'{folder} has several annotation files of one split, {listed(twice[0])}: leave one of '
            'them there'
        )
    read = {split: [_File(folder, path) for path in paths] for split, paths in by_split.items()}
    categories, dropped = _categories(folder, read)
    if dropped:
        notes.append(f'categories that only name others, and have no object: {listed(dropped)}')
    splits, originals = {}, {}
    for split, parts in read.items():
        splits[split] = [image for part in parts for image in part.images]
        (first, *more) = parts
        if not more and not dropped and first.as_named and first.names == categories:
            originals[split] = (first.path, first.folder)
    dataset = Dataset(folder, _layout(files), splits, categories, notes, originals)
    _look_at_crowds(dataset, crowds_as_objects)
    return dataset


class _File:
    """One annotation file, its images found."""

    def __init__(self, root: Path, path: Path) -> None:
        found, faults = examine_annotations(str(path))
        if faults:
            raise UserError(
                f'{faults[0]}: mmgreen check {root} lists all faults, and '
                '--fix corrects some of them'
            )
        content = json.loads(path.read_bytes())
        self.path = path
        self.folder = image_folder(root, found)
        self.categories = {c['id']: c for c in content['categories']}
        self.names = found.categories
        files = self._files(found, root)
        #: Whether the images are where the file says, below one folder.
        self.as_named = all(
            self.folder / name == file for name, file in zip(found.images, files, strict=True)
        )
        things = defaultdict(list)
        for thing in content['annotations']:
            rest = {k: v for k, v in thing.items() if k not in ('id', 'image_id', 'category_id')}
            rest['iscrowd'] = int(thing.get('iscrowd', 0))
            if not rest.get('segmentation'):
                rest.pop('segmentation', None)
            rest['label'] = self.categories[thing['category_id']]['name']
            things[thing['image_id']].append(rest)
        self.images = [
            AnnotatedImage(
                file.relative_to(root).as_posix(), (i['width'], i['height']), things[i['id']]
            )
            for i, file in zip(content['images'], files, strict=True)
        ]

    def _files(self, found: Annotations, root: Path) -> list[Path]:
        """Where each image is; exporters that name a path of their server are forgiven."""
        missing = set(found.missing_images(str(self.folder)))
        if not missing:
            return [self.folder / name for name in found.images]
        places = defaultdict(list)
        for parent, _, names in os.walk(root):
            for name in names:
                places[name].append(Path(parent, name))
        files = []
        for name in found.images:
            base = name.replace('\\', '/').rsplit('/', 1)[-1]
            here = self.folder / name
            if name in missing and len(places[base]) != 1:
                lost = [n for n in sorted(missing) if len(places[n.rsplit('/', 1)[-1]]) != 1]
                raise UserError(
                    f'{len(lost)} of {len(found.images)} images named in {self.path} are not in '
                    f'{self.folder}: {listed(lost)}'
                )
            files.append(places[base][0] if name in missing else here)
        return files


def _categories(folder: Path, read: dict[str, list[_File]]) -> tuple[tuple[str, ...], list[str]]:
    """Names of the categories, and of those that are dropped: parents of others without objects."""
    files = [file for parts in read.values() for file in parts]
    used = {thing['label'] for file in files for image in file.images for thing in image.objects}
    # A category may be said to be its own parent, where an exporter knows none.
    parents = {
        c.get('supercategory')
        for file in files
        for c in file.categories.values()
        if c.get('supercategory') != c['name']
    }
    dropped: list[str] = []
    kept = []
    for file in files:
        names = [c['name'] for c in file.categories.values()]
        dropped += [n for n in names if n not in used and n in parents and n not in dropped]
        kept.append([name for name in names if name not in dropped])
    if files and not any(kept):
        raise UserError(f'{folder} has categories, and no object of any')
    for file, names in zip(files[1:], kept[1:], strict=True):
        if set(names) != set(kept[0]):
            differ = sorted(set(names) ^ set(kept[0]))
            raise UserError(
                f'{files[0].path} and {file.path} disagree on their categories: {listed(differ)}'
            )
    return tuple(kept[0]), dropped


def _layout(files: list[Path]) -> str:
    if files[0].name == ROBOFLOW:
        return 'Roboflow (COCO)'
    return 'COCO' if files[0].parent.name == 'annotations' else 'COCO, one folder of images'


def _look_at_crowds(dataset: Dataset, as_objects: bool) -> None:
    things = [thing for image in dataset.images for thing in image.objects]
    crowds = [thing for thing in things if thing['iscrowd']]
    if not crowds:
        return
    of = f'objects of {dataset.folder} are crowds (iscrowd 1)'
    why = 'exporters such as CVAT mark masks drawn with a brush so'
    if as_objects:
        for thing in crowds:
            thing['iscrowd'] = 0
        dataset.originals.clear()
        dataset.notes.append(f'{len(crowds)} {of}, each taken as one object')
    elif len(crowds) == len(things):
        raise UserError(
            f'all {len(things)} {of}, which training ignores; {why}: pass --crowds-as-objects to '
            'take each as one object'
        )
    elif len(crowds) > len(things) / 10:
        dataset.notes.append(
            f'WARNING: {len(crowds)} of {len(things)} {of}, which training ignores; {why}: '
            '--crowds-as-objects takes each as one object'
        )
