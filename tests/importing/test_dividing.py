"""What is held out where nothing says it: no copy on both sides, linear memory, and a choice."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from worlds import World, picture, write

from mmgreen.errors import UserError
from mmgreen.importing import divide, read_dataset
from mmgreen.importing.dividing import describe, group_alike


def annotated(root, names):
    write('LabelMe', World({name: [(0, (2, 2, 9, 9))] for name in names}, ['cat']), root)
    return read_dataset(root)


def parts(dataset):
    return {split: [image.name for image in images] for split, images in dataset.splits.items()}


def brute_force(thumbnails):
    """Groups by comparing all pairs."""
    vectors = thumbnails - thumbnails.mean(1, keepdims=True)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors = np.where(
        lengths < 1e-4, np.eye(1, vectors.shape[1]), vectors / np.maximum(lengths, 1e-4)
    )
    alike = vectors @ vectors.T >= 0.98
    labels = np.arange(len(vectors))
    for _ in labels:
        labels = np.array([labels[row].min() for row in alike])
    return labels


@pytest.mark.parametrize('seed', range(5))
def test_groups_are_those_of_all_pairs(seed):
    """Scenes of one to forty frames, of a camera that moves a little, in any order."""
    rng = np.random.default_rng(seed)
    frames = []
    for _ in range(6):
        scene = rng.normal(size=(8, 8)).repeat(4, 0).repeat(4, 1)
        for _ in range(rng.integers(1, 40)):
            scene = scene + 0.02 * rng.normal(size=(8, 8)).repeat(4, 0).repeat(4, 1)
            frames.append(scene.ravel() * 40 + 100)
    frames += [np.full(1024, 7.0), np.full(1024, 200.0)]  # of one value each
    thumbnails = np.array(frames, np.float32)[rng.permutation(len(frames))]
    expected = brute_force(thumbnails.astype(np.float64))
    coarse, fine = map(
        np.stack, zip(*(describe(t.reshape(32, 32)) for t in thumbnails), strict=True)
    )
    found = group_alike(coarse, fine)
    pairs = {(a, b) for a, b in zip(expected.tolist(), found.tolist(), strict=True)}
    assert len(pairs) == len(set(expected.tolist())) == len(set(found.tolist()))


def test_a_still_camera_is_divided_in_order_and_said(tmp_path):
    names = [f'{i}.png' for i in range(12)]
    dataset = annotated(tmp_path, names)
    rng = np.random.default_rng(0)
    scene = rng.integers(20, 230, (20, 24, 3))
    for i, name in enumerate(names):  # frame 10 comes after frame 9
        frame = scene + rng.integers(-2, 3, scene.shape)
        Image.fromarray(frame.astype(np.uint8)).save(tmp_path / name)
        assert i == int(name[:-4])
    divide(dataset)
    assert parts(dataset) == dict(train=names[:10], val=names[10:])
    assert any('12 of 12 images are nearly the same' in note for note in dataset.notes)


def test_people_choose_by_folder_by_time_or_by_a_list(tmp_path):
    names = [f'{place}/{i}.png' for place in 'abcde' for i in range(4)]
    by_folder = annotated(tmp_path / 'data', names)
    divide(by_folder, by='folder')
    places = [{name[0] for name in some} for some in parts(by_folder).values()]
    assert sum(map(len, places)) == 5

    by_time = read_dataset(tmp_path / 'data')
    divide(by_time, by='time')
    assert parts(by_time) == dict(train=sorted(names)[:17], val=sorted(names)[17:])

    (tmp_path / 'held.txt').write_text('b/1.png\r\n.\\c\\2.png\r\n')
    by_list = read_dataset(tmp_path / 'data')
    divide(by_list, by=str(tmp_path / 'held.txt'))
    assert parts(by_list)['val'] == ['b/1.png', 'c/2.png']
    (tmp_path / 'held.txt').write_text('b/1.png\nlost.png\n')
    with pytest.raises(UserError, match='1 of 2 images .* lost.png'):
        divide(read_dataset(tmp_path / 'data'), by=str(tmp_path / 'held.txt'))
    with pytest.raises(UserError, match='neither folder, time nor a file'):
        divide(read_dataset(tmp_path / 'data'), by='weeks')


def test_time_is_that_of_the_camera_where_it_says_it(tmp_path):
    names = ['z.jpg', 'a.jpg', 'm.jpg', 'b.jpg']
    dataset = annotated(tmp_path, names)
    for i, name in enumerate(names):
        exif = Image.Exif()
        exif[0x0132] = f'2024:01:0{i + 1} 12:00:00'
        Image.open(tmp_path / name).save(tmp_path / name, exif=exif)
    divide(dataset, by='time')
    assert parts(dataset) == dict(train=['z.jpg', 'a.jpg', 'm.jpg'], val=['b.jpg'])


def test_copies_of_what_is_held_out_are_not_trained_on(tmp_path):
    for i in range(20):
        picture(tmp_path / f'{i}.png', i % 10)
    dataset = read_dataset(tmp_path)
    divide(dataset)
    held = {(tmp_path / name).read_bytes() for name in parts(dataset)['val']}
    assert not held & {(tmp_path / name).read_bytes() for name in parts(dataset)['train']}
    assert (
        sum(map(len, parts(dataset).values()))
        + len(dataset.left_out['of train that are images of val, too'])
        == 20
    )


CODE = """
import numpy as np, resource
from mmgreen.importing.dividing import describe, group_alike
rng = np.random.default_rng(0)
scene = rng.normal(size=(32, 32)).astype(np.float32)
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
def frames(number):
    coarse, fine = np.empty((number, 64), np.float32), np.empty((number, 1024), np.float16)
    for i in range(number):
        coarse[i], fine[i] = describe(scene + 0.01 * rng.normal(size=(32, 32)))
    return coarse, fine
group_alike(*frames(64))
many = frames(12_000)
before = peak()
assert len(set(group_alike(*many).tolist())) == 1
print(peak() - before)
"""


def test_memory_grows_with_the_number_of_images_alone():
    """All pairs of 12,000 would be 1.1 GB of numbers."""
    done = subprocess.run([sys.executable, '-c', CODE], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 150
