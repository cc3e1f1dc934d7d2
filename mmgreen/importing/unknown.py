"""What lies in a folder and is of no layout that is known: named, so that it is not passed over."""

import re

from mmgreen.datasets.faults import listed
from mmgreen.datasets.images import EXTENSIONS
from mmgreen.datasets.tree import stem

from .dataset import Dataset
from .layouts.layout import COCO_COPY, COCO_DETECTIONS, json_kinds
from .source import Source

#: Endings of files in which annotations may lie.
_TEXTS = (
    *('.json', '.jsonl', '.ndjson', '.geojson', '.xml', '.csv', '.tsv', '.txt', '.yaml', '.yml'),
    *('.parquet', '.arrow', '.tfrecord', '.record', '.mat', '.pkl', '.h5', '.xlsx', '.toml'),
)
#: Folders of pictures that are masks of others.
_MASKS = re.compile(
    r'(?<![a-z])(masks?|labels?|annotations?|segmentation[a-z]*|gt|ground.?truth)(?![a-z])',
    re.IGNORECASE,
)
#: So many bytes of such a file are looked through, of so many files.
_LOOKED_THROUGH, _MOST_FILES = 1 << 18, 1000
_IMAGE_NAME = re.compile(
    rf'[^\s"\'<>,;:|\x00-\x1f]+(?:{"|".join(map(re.escape, EXTENSIONS))})(?![\w.])', re.IGNORECASE
)


def warn_of_unread(source: Source, read: set[str], used: set[str]) -> None:
    """Files that are called as images that are not used, and were not read either.

    Args:
        source: The folder.
        read: Annotation files that were read.
        used: Images that are, without their endings.
    """
    unused = {stem(name) for name in source.tree.images} - used
    found = [
        name
        for name in source.tree.others
        if name.lower().endswith(_TEXTS) and name not in read and stem(name) in unused
    ]
    if found:
        source.warnings.append(
            f'{len(found)} files are called as images that are not annotated, and were not understood: '
            f'{listed(found)}'
        )


def without_copies(source: Source, names: list[str]) -> list[str]:
    """COCO files without those that are copies of annotations of another layout, which is there."""
    kinds = json_kinds(source, source.tree)
    copies = [name for name in names if kinds.get(name) == COCO_COPY]
    if copies:
        source.remarks.append(f'copies that mmgreen wrote are not read: {listed(copies)}')
    return [name for name in names if name not in copies]


def warn_of_detections(source: Source) -> None:
    """Files of detections are no annotations."""
    found = _of_kinds(source, COCO_DETECTIONS)
    if found:
        source.warnings.append(
            f'{listed(found)}: detections, with scores, are not taken for annotations'
        )


def _of_kinds(source: Source, *kinds: str) -> list[str]:
    return [name for name, kind in json_kinds(source, source.tree).items() if kind in kinds]


def warn_of_masks(source: Source) -> None:
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
    names = dataset.not_understood
    return (
        f'{len(names)} files of {dataset.folder} name its images and are of no format that is known: '
        f'{listed(names)} (move them away, if they are no annotations; a pre-training, --model '
        'greenmim_swin-tiny, reads none)'
    )


def find_not_understood(source: Source, known: set[str]) -> list[str]:
    """Files that name images of the folder, or are named as they are, and were not read.

    Args:
        source: The folder.
        known: Files that were read.
    """
    images = {name.rpartition('/')[2] for name in source.tree.images}
    stems = {stem(name) for name in images}
    found = []
    texts = [name for name in source.tree.others if name.lower().endswith(_TEXTS)]
    ours = set(_of_kinds(source, COCO_DETECTIONS, COCO_COPY))
    for name in texts[:_MOST_FILES]:
        if name in known or name in ours:
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
