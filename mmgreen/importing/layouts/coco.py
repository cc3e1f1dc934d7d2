"""COCO's annotation files wherever exporters put them, and the images that they name."""

import os
import re
from collections import defaultdict
from pathlib import Path

from mmgreen.datasets.annotations import Annotations, examine_annotations, is_size
from mmgreen.datasets.coco_file import load_coco
from mmgreen.datasets.faults import listed
from mmgreen.errors import UserError

from ..dataset import AnnotatedImage
from ..objects import mask_area
from ..source import Source
from ..splits import named_splits, of_split, split_of
from .layout import COCO_COPY, COCO_FILE, Layout, Reading, folder_of, json_files, json_kinds

#: Roboflow's annotation file, beside its images.
ROBOFLOW = '_annotations.coco.json'
_FOLDER = 'annotations'
# COCO's own files that lie beside its instances.
_BESIDE = ('captions_', 'person_keypoints_', 'stuff_', 'panoptic_', 'image_info_')
#: So many images are looked up to find their folder.
_MOST_TRIED = 200


def _find(source: Source) -> list[str]:
    """Those in ``annotations/``, else Roboflow's, else all, wherever they lie.

    Where some in ``annotations/`` are called ``instances_*``, those.
    """
    kinds = json_kinds(source, source.tree)
    coco = [name for name, kind in kinds.items() if kind == COCO_FILE]
    if not coco:  # copies, where there is nothing that they could be of
        coco = [name for name, kind in kinds.items() if kind == COCO_COPY]
        kinds = {name: COCO_FILE if name in coco else kind for name, kind in kinds.items()}
    inside = [name for name in kinds if folder_of(name).rpartition('/')[2] == _FOLDER]
    instances = [name for name in inside if name.rpartition('/')[2].startswith('instances_')]
    if instances:
        return instances
    # A torn one must not be passed over.
    inside = [
        name
        for name in inside
        if not name.rpartition('/')[2].startswith(_BESIDE) and kinds[name] in (COCO_FILE, None)
    ]
    if any(kinds[name] == COCO_FILE for name in inside):
        return inside
    return [name for name in coco if name.rpartition('/')[2] == ROBOFLOW] or coco


def _read(source: Source, names: list[str]) -> Reading:
    others = [
        name
        for name in json_files(source, source.tree, COCO_FILE)
        if name not in names and not name.rpartition('/')[2].startswith(_BESIDE)
    ]
    if others:
        source.remarks.append(f'not read, beside {names[0]}: {listed(others)}')
    by_split = named_splits({name: _word(name) for name in names})
    if len(by_split) > 1 and 'all' in by_split:
        others = by_split.pop('all')
        source.warnings.append(f'left out: {listed(others)}, named after no split')
    for split, some in by_split.items():
        if split != 'all' and len(some) > 1:
            source.faults.add(
                'several files',
                split,
                f'{source.folder} has several annotation files of one split, {listed(some)}: leave '
                'one of them there',
            )
            return Reading({})
    read: dict[str, list[_File]] = {}
    for split, some in by_split.items():
        files = [_File(source, name) for name in some]
        read[split] = [file for file in files if file.content is not None]
    categories, dropped = _categories(source, read)
    if dropped:
        source.remarks.append(
            f'categories that only name others, and have no object: {listed(dropped)}'
        )
    splits, originals = {}, {}
    for split, parts in read.items():
        splits[split] = [image for part in parts for image in part.images]
        if len(parts) == 1 and not dropped and parts[0].as_named and parts[0].names == categories:
            originals[split] = (source.tree.path(parts[0].name), source.tree.path(parts[0].folder))
    return Reading(splits, categories, originals, complete=True)


def _word(name: str) -> str:
    """What a file says of its split: its own name, or its folder's where all are called alike."""
    base = name.rpartition('/')[2]
    return folder_of(name).rpartition('/')[2] if base == ROBOFLOW else os.path.splitext(base)[0]


class _File:
    """One annotation file, its images found."""

    content: dict | None = None

    def __init__(self, source: Source, name: str) -> None:
        path = source.tree.path(name)
        self.name = name
        self.images: list[AnnotatedImage] = []
        try:
            content = load_coco(str(path))
            found, faults = examine_annotations(str(path), content)
        except UserError as error:
            source.faults.add('not COCO', name, str(error))
            return
        self.folder = _image_folder(source, name, found.images)
        self.names = found.categories
        without_area = _compute_areas(source, name, content, found) if not faults else 0
        _remark(source, path, self.folder, found)
        for i, fault in enumerate(faults):
            source.faults.add(f'{name} {i}', name, fault)
        if found.contradiction():
            source.faults.add('boxes', name, found.contradiction())
        files = self._files(source, found)
        for declared, file in zip(found.sizes, files, strict=True):
            if file and source.size(file) and is_size(declared):
                source.compare_size(file, declared, str(path))
        if faults:
            return
        self.content = content
        self.categories = {c['id']: c for c in content['categories']}
        #: Whether the images are where the file says, below one folder, each once.
        self.as_named = len(set(files)) == len(files) and all(
            file == os.path.normpath(os.path.join(self.folder, said))
            for said, file in zip(found.images, files, strict=True)
        )
        self.as_named = self.as_named and not without_area
        short = set(found.short)
        things = defaultdict(list)
        for thing in content['annotations']:
            if thing['id'] in short:  # its box is left
                thing.pop('segmentation')
                self.as_named = False
            number = thing.pop('image_id')
            thing['label'] = self.categories[thing.pop('category_id')]['name']
            thing.pop('id')
            thing.setdefault('iscrowd', 0)
            if thing.pop('ignore', 0):  # mmdet would drop it, and teach it as background
                thing['iscrowd'], self.as_named = 1, False
            if not thing.get('segmentation'):
                thing.pop('segmentation', None)
            things[number].append(thing)
        for entry, file in zip(content['images'], files, strict=True):
            size = source.size(file) if file else None
            if size is None:
                self.as_named = False
                continue
            self.images.append(AnnotatedImage(file, size, things[entry['id']]))

    def _files(self, source: Source, found: Annotations) -> list[str]:
        """Where each image is; exporters that name a path of their server are forgiven."""
        files, lost, elsewhere = list[str](), list[str](), list[str]()
        split, own = split_of(_word(self.name)), self.folder.rpartition('/')[2]
        # Folders such as train/, val/ and unlabelled/ count their images alike: of a file that has
        # a folder of its name, a bare name is nowhere else.
        bare_is_here = bool(own) and own in _word(self.name)
        for said in found.images:
            there = source.tree.at(self.folder, said)
            if there is None:
                places = source.tree.locate(said, self.folder)
                wrong = bare_is_here and not re.search(r'[/\\]', said)
                unique = len(places) == 1 and not wrong and of_split(places, split)
                there = places[0] if unique else ''
                (elsewhere if there else lost).append(said)
            files.append(there)
        if lost:
            source.faults.add(
                f'missing in {self.name}',
                self.name,
                f'{len(lost)} of {len(found.images)} images named in {found.path} are not in '
                f'{source.tree.path(self.folder)}: {listed(lost)}',
            )
        if elsewhere:
            source.remarks.append(
                f'{self.name}: {len(elsewhere)} images are found by the end of their path '
                f'({elsewhere[0]})'
            )
        return files


def _image_folder(source: Source, name: str, images: tuple[str, ...]) -> str:
    """The folder below which most of a file's images are.

    Folders of its name come first, as ``val2017`` and ``images/val2017`` for
    ``instances_val2017.json``.
    """
    tree, base = source.tree, folder_of(name)
    if name.rpartition('/')[2] == ROBOFLOW:
        return base
    root = folder_of(base) if base.rpartition('/')[2] == _FOLDER else base
    folders = {''}
    for file in tree.images:
        parts = file.split('/')[:-1]
        folders |= {'/'.join(parts[:i]) for i in range(1, len(parts) + 1)}
    step = max(1, len(images) // _MOST_TRIED)
    tried = images[::step][:_MOST_TRIED]
    stem = os.path.splitext(name.rpartition('/')[2])[0]
    counts = {
        folder: sum(os.path.normpath(os.path.join(folder, said)) in tree.images for said in tried)
        for folder in folders
    }

    def rank(folder: str) -> tuple:
        last = folder.rpartition('/')[2]
        inside = not root or folder == root or folder.startswith(f'{root}/')
        return (
            bool(last) and last in stem and counts[folder] > 0,
            inside and counts[folder] > 0,
            counts[folder],
            -len(folder),
        )

    best = max(sorted(folders), key=rank)
    if counts[best] or not images:
        return best
    likely = [f'{root}/images'.lstrip('/'), root]
    return next((folder for folder in likely if folder in folders), root)


def _compute_areas(source: Source, name: str, content: dict, found: Annotations) -> int:
    """Give an area to objects that have a box and none: training would leave them out."""
    empty, computed = set(found.empty), []
    sizes = {image['id']: (image['width'], image['height']) for image in content['images']}
    for thing in content['annotations']:
        if thing['id'] in empty and thing['area'] <= 0 and min(thing['bbox'][2:]) >= 1:
            x, y, width, height = thing['bbox']
            thing['area'] = width * height
            if thing.get('segmentation') and thing['id'] not in found.short:
                thing['area'] = mask_area(thing['segmentation'], sizes[thing['image_id']])
            computed.append(thing['id'])
    found.empty = [number for number in found.empty if number not in set(computed)]
    if computed:
        source.remarks.append(
            f'{name}: {len(computed)} objects have no area, which is computed (ids {listed(computed)})'
        )
    return len(computed)


def _remark(source: Source, path: Path, folder: str, found: Annotations) -> None:
    kinds = ', '.join(f'{count} {kind}' for kind, count in found.kinds.items() if count)
    source.remarks.append(
        f'{path}: {len(found.images)} images in {source.tree.path(folder)}, {found.count} annotations '
        f'({kinds}), {len(found.categories)} categories'
    )
    if found.dropped():
        source.warnings.append(f'{path}: {found.dropped()} are left out of training')
    if found.bare:
        source.warnings.append(
            f'{path}: {len(found.bare)} images have no object (ids {listed(found.bare)}), and '
            'are left out of training where filter_cfg.filter_empty_gt is set'
        )


def _categories(source: Source, read: dict[str, list[_File]]) -> tuple[tuple[str, ...], list[str]]:
    """Names of the categories, and of those that are dropped: parents of others without objects."""
    files = [file for parts in read.values() for file in parts]
    if not files:
        return (), []
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
        dropped += [n for n in file.names if n not in used and n in parents and n not in dropped]
        kept.append([name for name in file.names if name not in dropped])
    if not any(kept):
        source.faults.add(
            'no object', 'categories', f'{source.folder} has categories, and no object of any'
        )
    for file, names in zip(files[1:], kept[1:], strict=True):
        if set(names) != set(kept[0]):
            differ = sorted(set(names) ^ set(kept[0]))
            source.faults.add(
                'categories differ',
                file.name,
                f'{source.tree.path(files[0].name)} and {source.tree.path(file.name)} disagree on their '
                f'categories: {listed(differ)}',
            )
    return tuple(kept[0]), dropped


COCO = Layout(
    'COCO',
    'annotations/*.json, */_annotations.coco.json (Roboflow), or a COCO file beside a folder of images',
    _find,
    _read,
)
