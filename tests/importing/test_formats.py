"""What exporters write is read as it is: every image, object, category and split."""

import json
from pathlib import Path

import numpy as np
import pytest
from exports import NAMES, SIZE, export
from PIL import Image
from pycocotools import mask as coco_mask

from mmgreen.errors import UserError
from mmgreen.importing import divide, read_dataset

SPLIT = ('coco', 'datumaro', 'roboflow', 'voc', 'yolo', 'yolo boxes')
UNSPLIT = ('cvat', 'label studio', 'label studio tasks', 'labelme')
BOXES = ('voc', 'yolo boxes')


def covered(outline):
    rle = coco_mask.merge(coco_mask.frPyObjects([outline], SIZE[1], SIZE[0]))
    return coco_mask.decode(rle).astype(bool)


@pytest.mark.parametrize('below', ['', 'job_1/export'])
@pytest.mark.parametrize('format', SPLIT + UNSPLIT)
def test_reads_images_objects_categories_and_splits(format, below, tmp_path):
    truth = export(format, tmp_path / below)
    dataset = read_dataset(tmp_path)
    assert dataset.categories == NAMES
    assert dataset.has_masks == (format not in BOXES)
    assert set(dataset.splits) == ({'train', 'val'} if format in SPLIT else {'all'})
    seen = set()
    for split, images in dataset.splits.items():
        for image in images:
            name = Path(image.name).name
            seen.add(name)
            assert (tmp_path / image.name).is_file()
            assert image.size == SIZE
            assert split in ('all', truth.splits[name])
            assert len(image.objects) == len(truth.objects[name])
            for found, (label, outline) in zip(image.objects, truth.objects[name], strict=True):
                assert found['label'] == label
                x, y = np.reshape(outline, (-1, 2)).T
                box = [x.min(), y.min(), np.ptp(x), np.ptp(y)]
                np.testing.assert_allclose(found['bbox'], box, atol=1)
                if 'segmentation' in found:
                    mask, there = covered(found['segmentation'][0]), covered(outline)
                    assert (mask & there).sum() / (mask | there).sum() > 0.98
    assert seen == set(truth.objects)


def test_originals_are_used_where_they_say_all(tmp_path):
    for format, kept in (('coco', True), ('datumaro', True), ('roboflow', False)):
        folder = tmp_path / format
        export(format, folder)
        dataset = read_dataset(folder)
        assert bool(dataset.originals) == kept
        for path, images in dataset.originals.values():
            for image in json.loads(path.read_text())['images']:
                assert (images / image['file_name']).is_file()


def test_brush_strokes_of_cvat(tmp_path):
    export('cvat brush', tmp_path)
    with pytest.raises(UserError, match='all 22 objects .* are crowds .*--crowds-as-objects'):
        read_dataset(tmp_path)
    dataset = read_dataset(tmp_path, crowds_as_objects=True)
    assert dataset.counts('all').total() == 22
    assert not dataset.originals, 'the file says something else'


def test_divides_by_category_and_keeps_near_duplicates_together(tmp_path):
    truth = export('cvat', tmp_path, images=60)
    folder = tmp_path / 'images/default'
    # Four frames of one scene: noise of a grey level, and one a little brighter.
    rng = np.random.default_rng(0)
    scene = np.asarray(Image.open(folder / 'p00.jpg')).astype(int)
    for i in range(1, 4):
        frame = scene + rng.integers(-1, 2, scene.shape) + 10 * (i == 3)
        Image.fromarray(frame.clip(0, 255).astype(np.uint8)).save(folder / f'p0{i}.jpg')
    first, second, other = (read_dataset(tmp_path) for _ in range(3))
    divide(first)
    divide(second)
    divide(other, seed=1)
    names = {s: [Path(i.name).name for i in images] for s, images in first.splits.items()}
    assert {s: len(some) for s, some in names.items()} == {'train': 42, 'val': 9, 'test': 9}
    assert sorted(n for some in names.values() for n in some) == sorted(truth.objects)
    assert first.splits == second.splits
    assert first.splits != other.splits
    frames = {f'p0{i}.jpg' for i in range(4)}
    assert any(frames <= set(some) for some in names.values())
    assert 'near-duplicates' in first.notes[-1]
    for label in NAMES:
        shares = [first.counts(s)[label] / len(names[s]) for s in names]
        assert max(shares) - min(shares) < 0.35  # of one object of each category an image


def test_a_rare_category_is_in_every_part(tmp_path):
    export('labelme', tmp_path, images=70)
    for i in (5, 20, 40):
        path = tmp_path / f'p{i:02}.json'
        content = json.loads(path.read_text())
        content['shapes'][0]['label'] = 'washer'
        path.write_text(json.dumps(content))
    dataset = read_dataset(tmp_path)
    divide(dataset)
    assert all(dataset.counts(split)['washer'] for split in ('train', 'val', 'test'))


def test_named_test_images_stay(tmp_path):
    export('yolo', tmp_path)
    (tmp_path / 'images/val').rename(tmp_path / 'images/test')
    (tmp_path / 'labels/val').rename(tmp_path / 'labels/test')
    dataset = read_dataset(tmp_path)
    test = dataset.splits['test']
    divide(dataset)
    assert set(dataset.splits) == {'train', 'val', 'test'}
    assert dataset.splits['test'] == test
    assert len(dataset.splits['train']) + len(dataset.splits['val']) == 8


def test_images_without_labels(tmp_path):
    export('images', tmp_path / 'flat')
    export('class folders', tmp_path / 'classes')
    assert read_dataset(tmp_path / 'flat').format == 'class folders'
    found = read_dataset(tmp_path / 'classes')
    assert found.format == 'class folders'
    assert {split: len(images) for split, images in found.splits.items()} == dict(train=8, val=4)
    assert not found.labelled
    flat = read_dataset(tmp_path / 'flat')
    divide(flat)  # for pre-training: nearly all are trained on
    assert {split: len(images) for split, images in flat.splits.items()} == dict(train=10, val=2)


def broken(folder, how):
    """Spoil an export in a way; what is to be said of it."""
    if how == 'mixed':
        export('yolo', folder)
        export('labelme', folder)
        return 'annotations of several formats, LabelMe and YOLO'
    if how == 'unknown':
        folder.mkdir()
        (folder / 'notes.docx').touch()
        return 'no image below .*, only notes.docx; looked for were COCO.*Roboflow.*YOLO'
    if how == 'categories':
        export('coco', folder)
        path = folder / 'annotations/instances_val2017.json'
        path.write_text(path.read_text().replace('"nut"', '"screw"'))
        return 'disagree on their categories: nut, screw'
    if how == 'no names':
        export('yolo', folder)
        (folder / 'data.yaml').unlink()
        return 'no names of categories: put them into data.yaml'
    if how == 'number':
        export('yolo', folder)
        next(folder.glob('labels/train/*')).write_text('7 0.5 0.5 0.1 0.1\n')
        return 'has category 7, but 2 names are known'
    if how == 'missing':
        export('cvat', folder)
        (folder / 'images/default/p03.jpg').unlink()
        return '1 of 12 images named in .* are not in .*images/default: p03.jpg'
    if how == 'empty split':
        export('coco', folder)
        path = folder / 'annotations/instances_val2017.json'
        content = json.loads(path.read_text())
        path.write_text(json.dumps(dict(content, images=[], annotations=[])))
        return 'there is no image of val'
    if how == 'one image':
        export('labelme', folder, images=2)
        (folder / 'p01.jpg').unlink()
        return 'there must be one to train on and another to validate by'
    raise ValueError(how)


@pytest.mark.parametrize(
    'how',
    [
        *('mixed', 'unknown', 'categories', 'no names', 'number', 'missing', 'empty split'),
        'one image',
    ],
)
def test_what_cannot_be_used_is_said_in_a_sentence(how, tmp_path):
    said = broken(tmp_path / 'data', how)
    with pytest.raises(UserError, match=said):
        divide(read_dataset(tmp_path / 'data'))
