"""The demo dataset: sound COCO, crowded, the same every time."""

import filecmp
import itertools
import json

import cv2
import numpy as np
import pytest
from helpers import run_tool
from pycocotools.coco import COCO

TOOL = 'tools/datasets/make_demo.py'


@pytest.mark.parametrize('split', ['train', 'val'])
def test_annotations_are_sound(demo, split):
    coco = COCO(str(demo / f'annotations/{split}.json'))
    assert len(coco.cats) == 5
    used = set()
    for image in coco.imgs.values():
        picture = cv2.imread(str(demo / split / image['file_name']))
        assert picture.shape == (image['height'], image['width'], 3)
        for annotation in coco.imgToAnns[image['id']]:
            used.add(annotation['category_id'])
            mask = coco.annToMask(annotation).astype(bool)
            assert mask.shape == picture.shape[:2]
            assert mask.any()
            x, y, width, height = annotation['bbox']
            rows, cols = np.nonzero(mask)
            assert (cols.min(), rows.min()) == (x, y)
            assert (cols.max() + 1, rows.max() + 1) == (x + width, y + height)
            assert mask.sum() == annotation['area']
    assert used == set(coco.cats)


def test_has_overlaps_crowds_and_crowding(demo):
    content = json.loads((demo / 'annotations/train.json').read_text())
    by_image = {
        image['id']: [a for a in content['annotations'] if a['image_id'] == image['id']]
        for image in content['images']
    }
    assert any(a['iscrowd'] for a in content['annotations'])
    assert max(map(len, by_image.values())) >= 7

    def overlap(a, b):
        (ax, ay, aw, ah), (bx, by, bw, bh) = a['bbox'], b['bbox']
        return ax < bx + bw and bx < ax + aw and ay < by + bh and by < ay + ah

    overlapping = sum(
        any(overlap(a, b) for a, b in itertools.combinations(group, 2))
        for group in by_image.values()
    )
    assert overlapping > 0.25 * len(by_image)


def test_splits_differ(demo):
    pictures = [(demo / split / '000000.jpg').read_bytes() for split in ('train', 'val')]
    assert pictures[0] != pictures[1]


def test_is_the_same_every_time_and_kept_when_there(tmp_path):
    size = ('--train', 3, '--val', 2, '--unlabelled', 2, '--size', 96)
    for name in ('a', 'b'):
        assert run_tool(TOOL, tmp_path / name, *size).returncode == 0
    compared = filecmp.dircmp(tmp_path / 'a', tmp_path / 'b')
    assert not compared.left_only
    for split in ('train', 'val', 'unlabelled', 'annotations'):
        files = [path.name for path in (tmp_path / 'a' / split).iterdir()]
        same, _, _ = filecmp.cmpfiles(tmp_path / 'a' / split, tmp_path / 'b' / split, files, False)
        assert sorted(same) == sorted(files)
    done = run_tool(TOOL, tmp_path / 'a', *size)
    assert 'is there already' in done.stdout


def test_never_touches_a_folder_of_something_else(tmp_path):
    (tmp_path / 'mine').mkdir()
    (tmp_path / 'mine/photo.jpg').write_text('precious')
    done = run_tool(TOOL, tmp_path / 'mine')
    assert done.returncode == 1
    assert 'is not this demo dataset' in done.stderr
    assert (tmp_path / 'mine/photo.jpg').read_text() == 'precious'
