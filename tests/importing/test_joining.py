"""What was corrected later stands in the place of what was there, and nothing is lost or used twice."""

import json

import numpy as np
import pytest
from PIL import Image

from mmgreen.errors import UserError
from mmgreen.importing import merge, read_dataset
from mmgreen.recipes import make_configs
from mmgreen.recipes.machine import Machine

SIZE = (64, 48)


def picture(path, seed):
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 255, (*SIZE[::-1], 3), np.uint8)
    Image.fromarray(noise).save(path)


def coco(folder, splits):
    """A COCO dataset: by split, the numbers of its images, each with a nut."""
    for split, numbers in splits.items():
        images, annotations = [], []
        for number in numbers:
            picture(folder / f'{split}2017/{number}.png', number)
            images.append(dict(id=number, file_name=f'{number}.png', width=SIZE[0], height=SIZE[1]))
            annotations.append(
                dict(id=number, image_id=number, category_id=1, bbox=[4, 4, 20, 20], area=400)
                | dict(iscrowd=0, segmentation=[[4, 4, 24, 4, 24, 24, 4, 24]])
            )
        content = dict(images=images, annotations=annotations, categories=[dict(id=1, name='nut')])
        path = folder / f'annotations/instances_{split}2017.json'
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(content))
    return folder


def labelme(folder, labels):
    """Images by their numbers, with an object of a label each, or of none."""
    for number, label in labels.items():
        picture(folder / f'again {number}.png', number)
        shape = dict(label=label, shape_type='polygon', points=[[8, 8], [40, 8], [40, 40]])
        content = dict(
            version='5.5.0',
            shapes=[shape] if label else [],
            imagePath=f'again {number}.png',
            imageWidth=SIZE[0],
            imageHeight=SIZE[1],
        )
        (folder / f'again {number}.json').write_text(json.dumps(content))
    return folder


def labels_of(dataset):
    """By split and content, the labels of images."""
    found = {}
    for split, images in dataset.splits.items():
        for image in images:
            pixels = np.asarray(Image.open(dataset.folder / image.name))
            number = next(
                n
                for n in range(20)
                if np.array_equal(
                    pixels, np.random.default_rng(n).integers(0, 255, pixels.shape, np.uint8)
                )
            )
            assert (split, number) not in found
            found[split, number] = [thing['label'] for thing in image.objects]
    return found


def test_an_image_is_used_once_with_its_newest_annotation_in_its_split(tmp_path):
    first = read_dataset(coco(tmp_path / 'first', dict(train=[0, 1, 2], val=[3, 4])))
    second = read_dataset(labelme(tmp_path / 'second', {1: 'bolt', 3: 'bolt', 5: 'nut', 6: None}))
    third = read_dataset(labelme(tmp_path / 'third', {1: 'washer', 5: 'bolt'}))
    merge(first, [second, third])
    assert labels_of(first) == {
        ('train', 0): ['nut'],
        ('train', 1): ['washer'],
        ('train', 2): ['nut'],
        ('val', 3): ['bolt'],
        ('val', 4): ['nut'],
        ('train', 5): ['bolt'],
        ('train', 6): [],
    }
    assert first.categories == ('nut', 'bolt', 'washer')
    assert first.account()[0] == '7 images found, 7 used'
    assert not first.originals
    said = '\n'.join(first.notes)
    assert '2 images more, and newer annotations of 2' in said
    assert '0 images more, and newer annotations of 2' in said


def test_images_that_were_not_annotated_are_now(tmp_path):
    folder = coco(tmp_path / 'first', dict(train=[0, 1]))
    picture(folder / 'train2017/new.png', 2)
    first = read_dataset(folder)
    assert first.left_out
    merge(first, [read_dataset(labelme(tmp_path / 'second', {2: 'nut'}))])
    assert first.account() == ['3 images found, 3 used']


def test_images_alone_are_not_taught_as_background(tmp_path):
    for number in range(3):
        picture(tmp_path / f'bare/{number}.png', number)
    first = read_dataset(tmp_path / 'bare')
    merge(first, [read_dataset(labelme(tmp_path / 'second', {1: 'nut', 5: 'nut'}))])
    assert labels_of(first) == {('all', 1): ['nut'], ('all', 5): ['nut']}
    assert first.account()[0] == '4 images found, 2 used'
    assert sorted(first.left_out['not annotated']) == ['0.png', '2.png']


def test_what_has_no_annotations_is_refused(tmp_path):
    first = read_dataset(coco(tmp_path / 'first', dict(train=[0, 1])))
    picture(tmp_path / 'bare/1.png', 7)
    with pytest.raises(UserError, match=r'bare has no annotations of a format that is known'):
        merge(first, [read_dataset(tmp_path / 'bare')])


def test_a_config_trains_on_all_of_them(tmp_path):
    folder = coco(tmp_path / 'first', dict(train=range(6), val=[6, 7]))
    later = labelme(tmp_path / 'later', {1: 'bolt', 8: 'bolt'})
    made = make_configs(
        folder, tmp_path / 'configs', Machine(None, 2), ['mask-rcnn_swin-nano'], newer=[later]
    )
    assert made.dataset.categories == ('nut', 'bolt')
    written = json.loads((tmp_path / 'configs/annotations/train.json').read_text())
    names = [image['file_name'] for image in written['images']]
    assert len(names) == 7
    assert all((folder / name).is_file() for name in names)
