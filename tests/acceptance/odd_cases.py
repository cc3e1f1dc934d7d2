"""Inputs after public bug reports: each is read right, or refused in one sentence before a run.

python tests/acceptance/odd_cases.py            # prints the table of all
python tests/acceptance/odd_cases.py ls_min     # of some
"""

import argparse
import contextlib
import importlib.util
import io
import json
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))

import numpy as np
from helpers import ROOT

from mmgreen.errors import UserError
from mmgreen.importing import divide, read_dataset
from mmgreen.importing.checking import check_dataset

ODD = Path(os.environ.get('MMGREEN_TEST_DATA', ROOT.parent / 'shared/data')) / 'odd_inputs'
SAME = '10 of 10 images of val are images of train, too'
#: By case: folder, and what a reading of it gives, or the beginning of the sentence that refuses it.
#: A ``~`` before the folder divides the images of train and val, which are the same there.
EXPECTED = {
    'absolute_paths': [('data', SAME), ('~data', 'COCO: 10 images, sound masks')],
    'appledouble': [
        ('data/labelme', 'LabelMe: 10 images, sound masks'),
        ('data/photos', 'images: 10 images, no objects'),
    ],
    'chinese': [('data', SAME), ('~data', 'COCO: 10 images, 14 masks of 干净, 漂浮物, 脏污')],
    'class_named_train': [('data', 'class folders: 9 images, no objects')],
    'code_in_name': [
        ('data', SAME),
        (
            '~data',
            "COCO: 10 images, 14 masks of bear open('RAN', 'w').write('code of a name ran') #, "
            'person, zebra',
        ),
    ],
    'cvat_xml': [('data', 'CVAT for images: 10 images, sound masks')],
    'exif': [('data/photos', 'images: 10 images, no objects')],
    'huge_ids': [('data', '10 of 10 images named in')],
    'ipynb_checkpoints': [
        ('data/yolo', 'YOLO: 10 images, sound masks'),
        ('data/imagenet', SAME),
    ],
    'iscrowd_text': [
        (f'{mark}data_{kind}', said)
        for kind in ('text', 'null', 'true')
        for mark, said in (('', SAME), ('~', 'COCO: 10 images, sound masks'))
    ],
    'labelme_ignore': [('data', 'LabelMe: 10 images, sound masks, 30 crowds')],
    'ls_local_files': [('data', 'Label Studio: 10 images, sound masks')],
    'ls_min': [('data', 'Label Studio: 10 images, sound masks')],
    'ls_rotation': [('data', 'Label Studio: 3 images, 6 boxes of same, turned')],
    'ls_two_tasks': [('data', 'image data/dataset1/000000542720.jpg is in two tasks')],
    'mixed': [('data', 'YOLO: 10 images, sound masks, 1 crowds')],
    'multipage': [
        (
            f'data/{kind}',
            f'the annotations of data/{kind} contain no object (left out: 10 that are sta',
        )
        for kind in ('rgb3', 'grey5', 'grey3')
    ],
    'names_quoted': [
        ('data/quoted', f'YOLO: 10 images, 10 boxes of {", ".join(f"c{i}" for i in range(11))}'),
        (
            'data/from_one',
            f'YOLO: 10 images, 10 boxes of {", ".join(f"c{i}" for i in range(1, 12))}',
        ),
    ],
    'names_twice': [
        ('data', 'categories 3 and 4 of data/annotations/instances_train.json are both c')
    ],
    'non_utf8': [
        ('data/photos', 'images: 9 images, no objects'),
        ('data/labelme', 'LabelMe: 9 images, 13 masks of bear, person, zebra'),
    ],
    'roboflow_yolo': [('data', 'YOLO: 10 images, sound masks')],
    'rotated': [('data', 'LabelMe: 10 images, 16 masks of bear, person, plate')],
    'same_image_twice': [('data', SAME), ('~data', 'COCO: 10 images, sound masks')],
    'same_json': [('data', SAME)],
    'same_stem': [('data', 'LabelMe: 10 images, sound masks')],
    'spaces_in_labels': [
        ('data/labelme', 'LabelMe: 10 images, sound masks'),
        ('data/voc', 'Pascal VOC: 10 images, sound boxes'),
    ],
    'split_word': [('data', 'LabelMe: 10 images, sound masks')],
    'still_camera': [('data', 'images: 1000 images, no objects')],
    'string_ids': [('data', SAME), ('~data', 'COCO: 10 images, sound masks')],
    'symlinked_folder': [
        ('data/yolo', 'YOLO: 10 images, sound masks'),
        ('data/photos', 'class folders: 10 images, no objects'),
    ],
    'tiff_bomb': [('data', 'data has 1 image of all: there must be one to train on')],
    'timm_with_ema': [('data', 'no image below data')],
    'voc_names': [('data', 'Pascal VOC: 10 images, sound boxes')],
    'voc_polygon': [
        (
            'data/polygon',
            'the annotations of data/polygon contain no object (left out: 10 with outl',
        ),
        ('data/swapped', 'Pascal VOC: 10 images, sound boxes'),
    ],
    'wrong_endings': [
        ('data/labelme', 'LabelMe: 9 images, sound masks'),
        ('data/photos', 'images: 19 images, no objects'),
    ],
    'yolo_pose': [('data', 'YOLO: 10 images, sound boxes')],
}


def outcomes(case: str) -> list[tuple[str, str, str]]:
    """Make a case in a folder of its own: folder, what was expected, and what came of it."""
    with tempfile.TemporaryDirectory() as folder, _inside(folder):
        _maker()[case]()
        found = []
        for place, expected in EXPECTED[case]:
            if place.startswith('~'):
                _set_apart(Path(place[1:]))
            found.append((place, expected, outcome(Path(place.lstrip('~')))))
        return found


@contextlib.contextmanager
def _inside(folder: str) -> Iterator[None]:
    before = os.getcwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def outcome(folder: Path) -> str:
    """What is read of a folder, or the sentence that refuses it."""
    with contextlib.redirect_stdout(io.StringIO()):
        faults = check_dataset(folder)
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            dataset = read_dataset(folder)
    except UserError as error:
        return str(error) if faults else f'check finds no fault in what is refused: {error}'
    if faults:
        return 'check finds a fault in what is read'
    try:
        divide(dataset)
    except UserError as error:
        return str(error)
    images = dataset.images
    text = f'{dataset.format}: {len(images)} images, '
    if not dataset.labelled:
        return text + 'no objects'
    things = [(image, thing) for image in images for thing in image.objects]
    real = [thing for _, thing in things if not thing['iscrowd']]
    kind = 'masks' if dataset.has_masks else 'boxes'
    sound = _sound()
    if all(Path(image.name).name in sound for image in images) and all(
        _same(sound[Path(image.name).name], image.objects) for image in images
    ):
        text += f'sound {kind}'
    else:
        text += f'{len(real)} {kind} of {", ".join(sorted(dataset.categories, key=_natural))}'
    crowds = len(things) - len(real)
    return text + (f', {crowds} crowds' if crowds else '')


def _natural(name: str) -> tuple[int, str]:
    return (int(name[1:]) if name[1:].isdigit() else 0, name)


def _sound() -> dict[str, list[tuple[str, list[list[float]]]]]:
    """The objects of each image as they are: name, and the boxes of all and of the first outline.

    Some cases write the first outline of an object alone.
    """
    content = json.loads((ODD / 'sound/annotations/train.json').read_text())
    names = {c['id']: c['name'] for c in content['categories']}
    files = {i['id']: i['file_name'] for i in content['images']}
    found: dict[str, list] = {name: [] for name in files.values()}
    for a in content['annotations']:
        if not a['iscrowd']:
            x, y = np.reshape(a['segmentation'][0], (-1, 2)).T
            first = [x.min(), y.min(), np.ptp(x), np.ptp(y)]
            found[files[a['image_id']]].append((names[a['category_id']], [a['bbox'], first]))
    # voc_names calls its images otherwise.
    for n, name in enumerate(files.values()):
        stem = f'photo ({n})' if n in (0, 1, 2) else f'cam.1.{n:04d}' if n in (3, 7) else f'img{n}'
        found[f'{stem}.jpg'] = found[name]
    return found


def _same(truth: list, things: list[dict]) -> bool:
    mine = [(t['label'], t['bbox']) for t in things if not t['iscrowd']]
    if Counter(label for label, _ in mine) != Counter(label for label, _ in truth):
        return False
    return all(
        any(
            label == name and np.abs(np.subtract(boxes, box)).max(1).min() < 3 for name, box in mine
        )
        for label, boxes in truth
    )


def _set_apart(folder: Path) -> None:
    """Keep the first half of the images for training, the others for validation."""
    for split in ('train', 'val'):
        path = folder / f'annotations/instances_{split}.json'
        content = json.loads(path.read_text())
        names = sorted({image['file_name'].rpartition('/')[2] for image in content['images']})
        kept = set(names[:5] if split == 'train' else names[5:])
        content['images'] = [
            i for i in content['images'] if i['file_name'].rpartition('/')[2] in kept
        ]
        ids = {image['id'] for image in content['images']}
        content['annotations'] = [a for a in content['annotations'] if a['image_id'] in ids]
        path.write_text(json.dumps(content))
        for image in (folder / split).iterdir():
            if image.name not in kept:
                image.unlink()


def _maker() -> dict:
    spec = importlib.util.spec_from_file_location('make_cases', ODD / 'make_cases.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return vars(module)


def all_cases() -> list[str]:
    """Names of the cases at hand."""
    return _maker()['CASES'] if (ODD / 'make_cases.py').is_file() else []


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('cases', nargs='*', help='by default all')
    args = parser.parse_args()
    bad = 0
    for case in args.cases or all_cases():
        for folder, expected, found in outcomes(case):
            right = found.startswith(expected)
            bad += not right
            print(f'{"ok " if right else "BAD"} | {case:18} | {folder:14} | {found[:150]}')
    print(f'{bad} are not as expected')


if __name__ == '__main__':
    main()
