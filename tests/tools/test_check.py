"""What a dataset lacks is said in plain words."""

import json
import shutil

import pytest
from helpers import run_tool
from PIL import Image

TOOL = 'tools/datasets/check.py'


def picture(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new('RGB', (8, 8)).save(path)


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
    assert 'layout of imagenet' in said
    assert '2 classes of 2 to 2 images' in said
    assert said.endswith('sound\n')
    said = check(imagenet / 'train', '--decode')
    assert 'layout of images' in said
    assert '4 images (4 .png)' in said
    said = check(coco_tiny)
    assert 'layout of coco' in said
    assert '705 annotations (699 polygons, 6 crowd, 6 RLE), 80 categories' in said


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
    check(tmp_path)  # names alone
    said = check(tmp_path, '--decode', faults=1)
    assert '12 images cannot be decoded' in said
    assert '09.jpg and 2 more' in said


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
    assert f'2 images named in {val} are not in {folder / "val"}' in said
    assert all(path.name in said for path in gone)
    assert '1 without area (such as id 1) are left out of training' in said
    assert 'disagree on their categories: pear, tomato' in said

    val.write_text('{}')
    said = check(folder, faults=1)
    assert 'val.json is not in COCO format' in said


def test_a_folder_that_is_not_there(tmp_path):
    done = run_tool(TOOL, tmp_path / 'none')
    assert done.returncode == 1
    assert 'does not exist' in done.stderr
    assert 'holds no JSON file' in check(tmp_path, '--layout', 'coco', faults=1)
