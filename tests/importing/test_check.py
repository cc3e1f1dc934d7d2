"""What a dataset lacks is said in plain words."""

import json
import shutil
import zlib

import numpy as np
import pytest
from exports import export
from helpers import run_tool
from PIL import Image
from worlds import World, write

from mmgreen.importing.checking import check_dataset

TOOL = 'tools/datasets/check.py'


def picture(path):
    """An image like no other."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(zlib.crc32(str(path).encode()))
    Image.fromarray(rng.integers(0, 255, (8, 8, 3), np.uint8)).save(path)


@pytest.fixture
def imagenet(tmp_path):
    for split in ('train', 'val'):
        for name in ('cat', 'dog'):
            for i in range(2):
                picture(tmp_path / 'imagenet' / split / name / f'{i}.png')
    return tmp_path / 'imagenet'


def check(*args, faults=0):
    done = run_tool(TOOL, *args)
    assert 'Traceback' not in done.stderr
    assert done.returncode == (1 if faults else 0), done.stdout + done.stderr
    assert done.stdout.count('FAULT') == faults
    return done.stdout


def test_sound_data_of_every_layout(imagenet, coco_tiny):
    said = check(imagenet)
    assert 'format of class folders' in said
    assert '2 classes of 2 to 2 images' in said
    assert said.endswith('sound\n')
    said = check(imagenet / 'train', '--decode')
    assert 'format of class folders' in said
    assert '4 images (4 .png)' in said
    said = check(coco_tiny)
    assert 'format of COCO' in said
    assert '705 annotations (699 polygons, 6 crowd, 6 RLE), 80 categories' in said


def test_annotations_of_other_layouts(tmp_path):
    export('yolo', tmp_path / 'yolo')
    said = check(tmp_path / 'yolo')
    assert 'YOLO, train: 8 images, 16 masks' in said
    assert '2 categories: bolt, nut' in said
    next((tmp_path / 'yolo/labels/val').iterdir()).write_text('0 a b c d\n')
    assert 'is not an annotation of YOLO' in check(tmp_path / 'yolo', faults=1)
    export('cvat', tmp_path / 'cvat')
    assert '12 images in' in check(tmp_path / 'cvat')
    export('cvat brush', tmp_path / 'brush')
    assert 'all 22 objects of' in check(tmp_path / 'brush', faults=1)


def test_faults_of_imagenet(imagenet):
    shutil.rmtree(imagenet / 'val/dog')
    (imagenet / 'val/emu').mkdir()
    (imagenet / 'train/cat/notes.txt').touch()
    said = check(imagenet, faults=3)
    assert '1 class folders of' in said
    assert 'are empty: emu' in said
    assert 'classes of train that val lacks: dog' in said
    assert 'classes of val that train lacks: emu' in said
    assert '1 other files, not used (1 .txt)' in said

    shutil.rmtree(imagenet / 'val')
    assert 'val is missing' in check(imagenet, faults=1)
    picture(imagenet / 'val/flat.png')
    assert 'val has no class folders: put the images of each class' in check(imagenet, faults=1)


def test_faults_of_images(tmp_path):
    (tmp_path / 'a.txt').touch()
    assert 'no image below' in check(tmp_path, faults=1)
    for i in range(12):
        (tmp_path / f'{i:02d}.jpg').write_bytes(b'no image')
    picture(tmp_path / 'sound.png')
    Image.effect_noise((64, 64), 90).save(tmp_path / 'torn.png')
    content = (tmp_path / 'torn.png').read_bytes()
    (tmp_path / 'torn.png').write_bytes(content[: len(content) // 2])
    said = check(tmp_path)  # heads alone
    assert 'left out: 12 that cannot be read as an image (00.jpg, ' in said
    assert '09.jpg and 2 more' in said
    assert '1 images cannot be decoded' in check(tmp_path, '--decode', faults=1)


def test_faults_of_coco(demo, tmp_path):
    folder = shutil.copytree(demo, tmp_path / 'demo')
    train, val = (folder / f'annotations/{name}.json' for name in ('train', 'val'))
    content = json.loads(train.read_text())
    content['annotations'][0]['bbox'][3] = 0
    content['categories'][0]['name'] = 'pear'
    train.write_text(json.dumps(content))
    gone = sorted((folder / 'val').iterdir())[:2]
    for path in gone:
        path.unlink()
    said = check(folder, faults=2)
    assert f'2 of 6 images named in {val} are not in {folder / "val"}' in said
    assert all(path.name in said for path in gone)
    assert '1 without area (ids 1) are left out of training' in said
    assert 'disagree on their categories: pear, tomato' in said

    val.write_text('{}')
    said = check(folder, faults=1)
    assert 'val.json is not in COCO format' in said


def test_a_folder_that_is_not_there(tmp_path):
    done = run_tool(TOOL, tmp_path / 'none')
    assert done.returncode == 1
    assert 'does not exist' in done.stderr
    assert 'holds no JSON file' in check(tmp_path, '--layout', 'coco', faults=2)


def test_all_that_is_wrong_is_listed_at_once_the_worst_first(tmp_path):
    """One line a kind, with the ids to look up; what is sound is still counted."""
    images = [dict(id=i, file_name=f'{i}.png', width=8, height=8) for i in range(1, 5)]
    for image in images:
        picture(tmp_path / 'train' / image['file_name'])
    Image.new('I;16', (8, 8)).save(tmp_path / 'train/2.png')
    images[3].update(width=0)
    sound = dict(image_id=1, category_id=1, bbox=[1, 1, 4, 4], area=16, iscrowd=0)
    sound['segmentation'] = [[1, 1, 5, 1, 5, 5]]
    odd = [
        dict(),
        dict(segmentation=[1, 1, 5, 1, 5, 5]),
        dict(category_id=9),
        dict(category_id=8),
        dict(segmentation=dict(size=[8, 8], counts=[9])),
        dict(bbox=None),
        dict(image_id=2, segmentation=[[1, 1, 5, 5]]),
        dict(category_id=7),
    ]
    annotations = [dict(sound, **change, id=i) for i, change in enumerate(odd, 1)]
    content = dict(images=images, annotations=annotations, categories=[dict(id=1, name='cat')])
    (tmp_path / 'annotations').mkdir()
    (tmp_path / 'annotations/train.json').write_text(json.dumps(content))
    lines = check(tmp_path, faults=5).splitlines()[1:]
    kinds = [line.split(':')[0].strip() for line in lines]
    assert kinds[:8] == ['FAULT'] * 5 + ['WARNING'] * 3  # left out, no object, over 8 bits
    assert not {'FAULT', 'WARNING'} & set(kinds[8:])
    text = '\n'.join(lines)
    assert 'annotation 3 of' in text
    assert 'has category_id 9, which is not in the file (2 more alike: 4, 8)' in text
    assert 'image 4 of' in text
    assert 'annotation 2 of' in text
    assert 'annotation 5 of' in text
    assert 'annotation 6 of' in text
    assert '1 with polygons of fewer than three points (ids 7) are left out' in text
    assert '2 images have no object (ids 3, 4)' in text
    assert 'modes of 4 images: 3 RGB, 1 I;16' in text


def test_deep_pictures_are_warned_of_and_measured(tmp_path):
    values = np.linspace(-3, 5, 64, dtype=np.float32).reshape(8, 8)
    for i in range(2):
        Image.fromarray(values).save(tmp_path / f'{i}.tiff')
    said = check(tmp_path, '--decode', '--statistics')
    assert 'WARNING' in said
    assert '2 images of over 8 bits, or of floating-point numbers, need mmgreen.LoadImage' in said
    assert 'float32, channels 1, values -3 to 5, black -3, white 5; mean' in said
    picture(tmp_path / 'b.png')
    assert 'images are of different kinds' in check(tmp_path, '--statistics', faults=1)


def test_a_click_is_named(tmp_path, capsys):
    """An object of a pixel is taken, and said: nobody means it."""
    images = {'a.png': [(0, (2, 2, 9, 9))], 'b.png': [(0, (5, 5, 1, 1)), (0, (1, 1, 4, 4))]}
    write('COCO', World(images, ['cat']), tmp_path)
    assert check_dataset(tmp_path) == 0
    said = capsys.readouterr().out
    assert 'WARNING: 1 images have objects of 2 pixels a side or less, clicks perhaps: ' in said
    assert 'b.png' in said.split('clicks perhaps: ')[1].splitlines()[0]
