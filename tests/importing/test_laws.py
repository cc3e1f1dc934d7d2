"""What holds for every layout, whatever lies in a folder and whatever things are called."""

import io
import json
import os
import shutil
from collections import Counter
from contextlib import redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from worlds import LAYOUTS, SIZE, World, picture, write
from worlds import _coco as worlds_coco

from mmgreen.datasets.images import is_image_name
from mmgreen.datasets.names import clean_name
from mmgreen.datasets.tree import look_through
from mmgreen.errors import UserError
from mmgreen.importing import divide, read_dataset, to_coco
from mmgreen.importing.checking import check_dataset
from mmgreen.recipes import make_configs, this_machine

LETTERS = 'ab1 .()[]-_\'"&<>#$%;{}é你'
STEMS = st.text(LETTERS, min_size=1, max_size=6).filter(
    lambda s: s.strip(' .') and s[0] not in '. ' and s[-1] not in ' ' and '{{' not in s
)
FOLDERS = st.sampled_from(['', 'a/', 'a/b/', 'day (1)/', 'train/', 'cam.1/'])
NAMES = st.sampled_from(
    [
        *('cat', ' dog ', 'bear\nopen("RAN", "w").write("x")\n# ', "it's", '"', '<script>', '$a$'),
        *('{{ fileDirname }}', '{% raw %}', 'no', '1', 'a: b', '干净', 'a\\b', "'''", '#'),
    ]
)
BOXES = st.tuples(st.integers(0, 11), st.integers(0, 9), st.integers(3, 12), st.integers(3, 10))


@st.composite
def worlds(draw):
    stems = draw(st.lists(STEMS, min_size=3, max_size=6, unique=True))
    categories = draw(st.lists(NAMES, min_size=1, max_size=4, unique_by=clean_name))
    things = st.lists(st.tuples(st.integers(0, len(categories) - 1), BOXES), max_size=3)
    # YOLO takes the last folder that is called so for that of all images.
    images = {f'images/{draw(FOLDERS)}{stem}.png': draw(things) for stem in stems}
    first = next(iter(images))
    images[first] = images[first] or [(0, (2, 2, 8, 8))]
    return World(images, categories)


def junk(root, world, draw):
    """Lay beside the images what is found in people's folders."""
    first = root / next(iter(world.images))
    if draw(st.booleans()):
        hidden = root / 'images/.ipynb_checkpoints'
        hidden.mkdir()
        shutil.copy(first, hidden / 'x-checkpoint.png')
    if draw(st.booleans()):
        (first.parent / f'._{first.name}').write_bytes(b'\0\5\x16\7')
    if draw(st.booleans()):
        (root / 'images/again').symlink_to(first.parent.resolve())
    if draw(st.booleans()):
        (root / 'images/loop').symlink_to(root.resolve())
    if draw(st.booleans()):
        (root / 'other').mkdir()
        picture(root / 'other/unlabelled.png', 999)
    if draw(st.booleans()):
        os.symlink('nowhere.png', root / 'gone.png')
    if draw(st.booleans()):
        os.mkfifo(root / 'pipe.png')
    if draw(st.booleans()):
        picture(root / 'phone.png', 998)
        (root / 'phone.png').rename(root / 'phone.heic')


def all_images(root):
    """Every name of an image below a folder that no link leads to."""
    return {
        Path(parent, name).relative_to(root).as_posix()
        for parent, _, names in os.walk(root)
        for name in names
        if is_image_name(name) or name.endswith('.heic')
    }


FEW = settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize('layout', LAYOUTS)
@FEW
@given(world=worlds(), data=st.data())
def test_what_went_in_comes_out_or_is_named(layout, world, data):
    with TemporaryDirectory() as folder:
        root = Path(folder, 'data')
        write(layout, world, root)
        junk(root, world, data.draw)
        dataset = read_dataset(root)

        # Every image, hidden or linked, is used once or named with a reason.
        used = [image.name for image in dataset.images]
        left_out = [name for names in dataset.left_out.values() for name in names]
        assert len(set(used)) == len(used)
        assert not set(used) & set(left_out)
        assert dataset.found == len(set(used) | set(left_out))
        assert all_images(root) <= set(used) | set(left_out)
        assert not any(part.startswith('.') for name in used for part in name.split('/'))

        # Each object is on the image at its path, of its category, where it was drawn.
        assert dataset.format == layout.split(',')[0]
        assert set(used) == set(world.images)
        clean = [clean_name(name) for name in world.categories]
        for image in dataset.images:
            truth = [(clean[k], box) for k, box in world.images[image.name]]
            found = [(t['label'], tuple(np.round(t['bbox'], 3).tolist())) for t in image.objects]
            assert Counter(label for label, _ in found) == Counter(label for label, _ in truth)
            for label, box in truth:
                assert any(name == label and np.allclose(b, box, atol=0.01) for name, b in found)
            assert image.size == SIZE
        labels = {clean[k] for things in world.images.values() for k, _ in things}
        assert labels <= set(dataset.categories)
        assert all(name.isprintable() and name == name.strip() for name in dataset.categories)

        # What check calls sound is the same, image for image.
        with redirect_stdout(io.StringIO()) as said:
            assert check_dataset(root) == 0
        assert all(line in said.getvalue() for line in dataset.account())

        if len(dataset.splits) == 1:
            divide(dataset)
            apart = [{image.name for image in part} for part in dataset.splits.values()]
            assert sum(map(len, apart)) == len(set().union(*apart)) == len(used)


@FEW
@given(stems=st.lists(STEMS, min_size=3, max_size=6, unique=True), data=st.data())
def test_a_list_names_the_image_at_its_path(stems, data):
    """Names with spaces, dots and brackets, with or without their folder, as Windows writes them."""
    with TemporaryDirectory() as folder:
        root = Path(folder, 'voc')
        names = [f'JPEGImages/{stem}.png' for stem in stems]
        write('Pascal VOC', World({name: [(0, (2, 2, 9, 9))] for name in names}, ['cat']), root)
        lists = root / 'ImageSets/Main'
        lists.mkdir(parents=True)
        held = data.draw(st.integers(1, len(stems) - 1))
        forms = [
            lambda s: s,
            lambda s: f'JPEGImages/{s}.png',
            lambda s: f'C:\\x\\JPEGImages\\{s}.png',
        ]
        for split, some in (('val', stems[:held]), ('train', stems[held:])):
            lines = [data.draw(st.sampled_from(forms))(stem) for stem in some]
            end = data.draw(st.sampled_from(['\n', '\r\n']))
            (lists / f'{split}.txt').write_text(end.join([*lines, '']), newline='')
        dataset = read_dataset(root)
        found = {split: [i.name for i in images] for split, images in dataset.splits.items()}
        assert found == dict(val=names[:held], train=names[held:])


def test_what_a_list_names_and_nobody_finds_is_named(tmp_path):
    write(
        'Pascal VOC',
        World({f'JPEGImages/{i}.png': [(0, (2, 2, 9, 9))] for i in range(4)}, ['a']),
        tmp_path,
    )
    lists = tmp_path / 'ImageSets/Main'
    lists.mkdir(parents=True)
    (lists / 'train.txt').write_text('0\n1\nlost one\n')
    (lists / 'val.txt').write_text('2\n')
    dataset = read_dataset(tmp_path)
    assert any('name no image, or several: lost one' in note for note in dataset.notes)
    assert dataset.left_out == {'in no list of the splits': ['JPEGImages/3.png']}


@pytest.mark.parametrize('layout', LAYOUTS)
def test_no_image_is_in_two_splits(layout, tmp_path):
    """A copy of a validation image, under another name, is not trained on; copies alone are a fault."""
    names = [f'images/{s}/{i}.png' for s, n in (('train', 6), ('val', 3)) for i in range(n)]
    world = World({name: [(0, (2, 2, 9, 9))] for name in names}, ['cat'])
    write(layout, world, tmp_path)
    shutil.copy(tmp_path / 'images/val/0.png', tmp_path / 'images/train/0.png')
    dataset = read_dataset(tmp_path)
    if 'val' not in dataset.splits:
        divide(dataset)
    name = 'images/train/0.png'
    held = {image.name for split in ('val', 'test') for image in dataset.splits.get(split, [])}
    trained = {image.name for image in dataset.splits['train']}
    assert not (
        {name, 'images/val/0.png'} <= held | trained
        and (name in held) != ('images/val/0.png' in held)
    )
    for i in range(6):
        shutil.copy(tmp_path / f'images/val/{i % 3}.png', tmp_path / f'images/train/{i}.png')
    if layout != 'COCO':  # its one file names no splits
        with pytest.raises(UserError, match='3 of 3 images of val are images of train, too'):
            read_dataset(tmp_path)


WORDS = st.sampled_from(['train', 'val', 'test', 'bus', 'car', 'train_station', 'val2017', 'x'])


@FEW
@given(folders=st.lists(WORDS, min_size=1, max_size=4, unique=True), data=st.data())
def test_a_word_is_a_split_only_if_splits_follow_from_it(folders, data):
    with TemporaryDirectory() as folder:
        for i, name in enumerate(folders):
            for j in range(2):
                picture(Path(folder, name, f'{j}.png'), 10 * i + j)
        dataset = read_dataset(Path(folder))
        images = [image.name for image in dataset.images]
        assert len(images) == 2 * len(folders)
        if {'bus', 'car', 'x'} & set(folders):
            assert set(dataset.splits) == {'all'}
        if set(folders) <= {'train', 'val', 'test'} and 'train' in folders:
            assert set(dataset.splits) == set(folders)


def test_each_real_folder_is_looked_through_once(tmp_path):
    picture(tmp_path / 'real/a.png', 0)
    (tmp_path / 'b_link').symlink_to(tmp_path / 'real')
    (tmp_path / 'real/up').symlink_to(tmp_path)
    (tmp_path / 'a.png').symlink_to(tmp_path / 'real/a.png')
    outside = tmp_path.parent / f'{tmp_path.name}_outside'
    picture(outside / 'c.png', 1)
    (tmp_path / 'elsewhere').symlink_to(outside)
    tree = look_through(tmp_path)
    assert list(tree.images) == ['elsewhere/c.png', 'real/a.png']
    assert tree.locate('b_link/a.png') == ['real/a.png']
    assert tree.locate(str(tmp_path / 'real/a.png')) == ['real/a.png']
    assert [name for names in tree.left_out.values() for name in names] == ['a.png']


def test_names_of_any_bytes_are_named(tmp_path):
    for i in range(3):
        picture(tmp_path / f'{i}.png', i)
    os.rename(os.fsencode(tmp_path / '0.png'), os.fsencode(tmp_path) + b'/Ca\xf1on.png')
    (tmp_path / '1.png').rename(tmp_path / 'two\nlines.png')
    dataset = read_dataset(tmp_path)
    assert [image.name for image in dataset.images] == ['2.png']
    (names,) = dataset.left_out.values()
    assert len(names) == 2
    text = '\n'.join(dataset.account())
    assert r'Ca\udcf1on.png' in text
    assert r'two\nlines.png' in text
    text.encode()


def test_a_link_within_the_folder_lends_its_name(tmp_path):
    """The images of a split lie elsewhere in the same folder; labels and split follow the link."""
    names = {f'images/{s}/{i}.png': [(0, (2, 2, 9, 9))] for s in ('train', 'val') for i in range(3)}
    write('YOLO', World(names, ['cat']), tmp_path)
    (tmp_path / 'images/train').rename(tmp_path / 'raw')
    (tmp_path / 'images/train').symlink_to(tmp_path / 'raw')
    dataset = read_dataset(tmp_path)
    assert {s: len(images) for s, images in dataset.splits.items()} == dict(train=3, val=3)
    assert all(len(image.objects) == 1 for image in dataset.images)


@pytest.mark.parametrize(
    ('name', 'text'),
    [
        ('labelTxt/{stem}.txt', '1 2 3 4 5 6 7 8 plane 0'),
        ('labels.csv', 'x,{image},1,2,3,4'),
        ('export/list.jsonl', '{{"image": "C:\\\\x\\\\{image}"}}'),
        ('{stem}.xml', '<other/>'),
        ('data.parquet', 'PAR1\6\0\0\0{image}\1'),
    ],
)
def test_annotations_of_no_known_layout_are_never_sound(name, text, tmp_path):
    for i in range(3):
        picture(
            tmp_path / f'photos/a {i}.png' if 'stem' in name else tmp_path / f'photos/a{i}.png', i
        )
    image = 'a 1.png' if 'stem' in name else 'a1.png'
    path = tmp_path / name.format(stem=image[:-4])
    path.parent.mkdir(exist_ok=True)
    path.write_text(text.format(image=image))
    with pytest.raises(UserError, match='name its images and are of no format that is known'):
        read_dataset(tmp_path)
    assert read_dataset(tmp_path, labels_matter=False).format == 'class folders'
    path.write_text('Photos of our garden.')
    if '{stem}' not in name:
        assert len(read_dataset(tmp_path).images) == 3


def test_text_of_another_encoding_is_refused(tmp_path):
    write(
        'YOLO', World({f'images/{i}.png': [(0, (2, 2, 9, 9))] for i in range(3)}, ['cat']), tmp_path
    )
    (tmp_path / 'data.yaml').unlink()
    (tmp_path / 'classes.txt').write_bytes('gar\xe7on\n'.encode('latin-1'))
    with pytest.raises(UserError, match=r'classes.txt.* is not UTF-8'):
        read_dataset(tmp_path)


@pytest.mark.parametrize('layout', [layout for layout in LAYOUTS if layout != 'COCO'])
def test_what_was_written_into_the_folder_changes_nothing(layout, tmp_path):
    """Configs, copies of annotations, detections: a second reading is the first."""
    images = {f'images/{i}.png': [(0, (2, 2, 9, 9))] for i in range(4)}
    write(layout, World(images, ['cat']), tmp_path)
    first = read_dataset(tmp_path)
    make_configs(tmp_path, tmp_path / 'configs', this_machine(None))
    to_coco(tmp_path, tmp_path / 'all.json')
    found = dict(images=[], annotations=[dict(id=1, image_id=1, score=0.5)], categories=[])
    (tmp_path / 'found').mkdir()
    (tmp_path / 'found/detections.json').write_text(json.dumps(found))
    second = read_dataset(tmp_path)
    assert (second.format, second.splits) == (first.format, first.splits)


def test_detections_are_no_annotations(tmp_path):
    for i in range(3):
        picture(tmp_path / f'{i}.png', i)
    images = [dict(id=1, file_name='0.png', width=SIZE[0], height=SIZE[1])]
    thing = dict(id=1, image_id=1, category_id=1, bbox=[1, 1, 5, 5], area=25, score=0.5)
    content = dict(images=images, annotations=[thing], categories=[dict(id=1, name='a')])
    (tmp_path / 'found').mkdir()
    (tmp_path / 'found/detections.json').write_text(json.dumps(content))
    dataset = read_dataset(tmp_path)
    assert dataset.format == 'images'
    assert any('with scores, are not taken for annotations' in note for note in dataset.notes)


def test_copies_alone_are_read(tmp_path):
    write('LabelMe', World({f'{i}.png': [(0, (2, 2, 9, 9))] for i in range(20)}, ['cat']), tmp_path)
    to_coco(tmp_path, tmp_path / 'train.json', val=tmp_path / 'val.json', val_share=0.5)
    for path in tmp_path.glob('[0-9]*.json'):
        path.unlink()
    dataset = read_dataset(tmp_path)
    assert dataset.format == 'COCO'
    assert set(dataset.splits) == {'train', 'val'}
    assert dataset.counts('train').total() + dataset.counts('val').total() == 20


@pytest.mark.parametrize('layout', ['LabelMe', 'Pascal VOC'])
def test_annotations_in_a_folder_of_any_name(layout, tmp_path):
    """Images are found by the path in the file, or else by its name, where one image has it."""
    names = [f'pictures/day 1/{i}.png' for i in range(3)]
    write(layout, World({name: [(0, (2, 2, 9, 9))] for name in names}, ['cat']), tmp_path)
    (tmp_path / 'notes').mkdir()
    for path in tmp_path.glob('pictures/day 1/*.[jx]*'):
        text = path.read_text()
        if path.stem == '1':  # names no image
            text = text.replace('"imagePath": "1.png",', '').replace(
                '<filename>1.png</filename>', ''
            )
        (tmp_path / 'notes' / path.name).write_text(text)
        path.unlink()
    assert [image.name for image in read_dataset(tmp_path).images] == names


def test_an_image_that_is_gone_is_not_that_of_another_split(tmp_path):
    """Folders of splits count their images alike; one of validation is missing."""
    names = [f'{split}/{i}.png' for split in ('train', 'val') for i in range(4)]
    for i, name in enumerate(names):
        picture(tmp_path / name, i)
    for split in ('train', 'val'):
        images = {f'{i}.png': [(0, (2, 2, 9, 9))] for i in range(4)}
        worlds_coco(World(images, ['cat']), tmp_path / split)
        (tmp_path / 'annotations').mkdir(exist_ok=True)
        made = tmp_path / split / 'annotations/instances_default.json'
        made.rename(tmp_path / f'annotations/instances_{split}.json')
        made.parent.rmdir()
    assert {s: len(i) for s, i in read_dataset(tmp_path).splits.items()} == dict(train=4, val=4)
    (tmp_path / 'val/3.png').unlink()
    (tmp_path / 'train/3.png').rename(tmp_path / 'train/9.png')
    picture(tmp_path / 'unlabelled/3.png', 77)
    path = tmp_path / 'annotations/instances_train.json'
    path.write_text(path.read_text().replace('3.png', '9.png'))
    with pytest.raises(UserError, match=r'1 of 4 images named in .*instances_val.json .*: 3.png'):
        read_dataset(tmp_path)


def test_bare_names_in_lists_are_those_of_the_split_or_of_none(tmp_path):
    names = [f'images/{split}/{i}.png' for split in ('train', 'val') for i in range(3)]
    write('YOLO', World({name: [(0, (2, 2, 9, 9))] for name in names}, ['cat']), tmp_path)
    picture(tmp_path / 'x/images/val/0.png', 99)  # at the end of the path, and not at the path
    for split in ('train', 'val'):
        (tmp_path / f'{split}.txt').write_text('0.png\n1.png\n2.png\n')
    (tmp_path / 'val.txt').write_text('images/val/0.png\n1.png\n2.png\n')
    dataset = read_dataset(tmp_path)
    found = {split: [i.name for i in images] for split, images in dataset.splits.items()}
    assert found == dict(train=names[:3], val=names[3:])
