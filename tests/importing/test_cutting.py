"""Large images are cut into tiles: every object is whole in one, and nothing is taught as background."""

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pycocotools import mask as coco_mask

from mmgreen.apis import Detector, evaluate, finetune
from mmgreen.choosing import labelled_images
from mmgreen.config import load_config
from mmgreen.errors import UserError
from mmgreen.images import read_array
from mmgreen.importing import AnnotatedImage, Dataset, choose_tiling, cut_into_tiles
from mmgreen.importing.objects import complete, corners_of_box, encode_mask
from mmgreen.recipes import make_configs
from mmgreen.recipes.machine import Machine
from mmgreen.tiles import Tiling

SIDE = 64


@st.composite
def images(draw):
    """Sizes, and boxes anywhere in them, some larger than a tile."""
    width, height = draw(st.integers(40, 260)), draw(st.integers(40, 260))
    boxes = []
    for _ in range(draw(st.integers(0, 6))):
        x, y = draw(st.integers(0, width - 4)), draw(st.integers(0, height - 4))
        boxes.append((x, y, draw(st.integers(2, width - x)), draw(st.integers(2, height - y))))
    return width, height, boxes, draw(st.sampled_from(['box', 'polygon', 'runs']))


def annotated(name, width, height, boxes, kind):
    things = []
    for x, y, across, down in boxes:
        thing = dict(label='bolt', bbox=[x, y, across, down])
        if kind == 'polygon':
            thing['segmentation'] = [corners_of_box(x, y, x + across, y + down)]
        elif kind == 'runs':
            mask = np.zeros((height, width), np.uint8)
            mask[y : y + down, x : x + across] = 1
            thing['segmentation'] = encode_mask(mask)
        things.append(complete(thing, (width, height)))
    return AnnotatedImage(name, (width, height), things)


def pixels(thing, size):
    """A mask (height, width), of a box that of its pixels."""
    width, height = size
    mask = thing.get('segmentation')
    if mask is None:
        drawn = np.zeros((height, width), bool)
        x, y, across, down = map(round, thing['bbox'])
        drawn[y : y + down, x : x + across] = True
        return drawn
    if isinstance(mask, list):
        mask = coco_mask.merge(coco_mask.frPyObjects(mask, height, width))
    return coco_mask.decode(mask).astype(bool)


@settings(max_examples=40, deadline=None)
@given(images(), st.integers(0, 3), st.floats(0, 0.5))
def test_every_object_is_whole_in_a_tile_and_none_is_background(
    tmp_path_factory, made, seed, share
):
    width, height, boxes, kind = made
    folder = tmp_path_factory.mktemp('cut')
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    Image.fromarray(noise).save(folder / 'a.png')
    image = annotated('a.png', width, height, boxes, kind)
    whole = Dataset(folder, 'made', {'train': [image]}, ('bolt',))
    cut = cut_into_tiles(whole, ('train',), Tiling(SIDE, share), folder / 'tiles', seed)
    tiles = cut.splits['train']
    seen = [0] * len(boxes)
    for tile in tiles:
        left, top = map(int, Path(tile.name).stem.split('_'))
        across, down = tile.size
        assert max(tile.size) <= SIDE
        part = np.s_[top : top + down, left : left + across]
        assert np.array_equal(read_array(folder / 'tiles' / tile.name), noise[part])
        expected = [pixels(thing, image.size) for thing in image.objects]
        there = [i for i, mask in enumerate(expected) if mask[part].any()]
        assert len(tile.objects) == len(there)
        for i, thing in zip(there, tile.objects, strict=True):
            shown = expected[i][part]
            assert np.array_equal(pixels(thing, tile.size), shown)
            assert thing['area'] == pytest.approx(shown.sum())
            visible = shown.sum() / expected[i].sum()
            assert thing['iscrowd'] == (visible < 0.5)
            seen[i] += visible == 1
    for (_, _, across, down), times in zip(boxes, seen, strict=True):
        assert times or max(across, down) >= SIDE
    full = sum(bool(tile.objects) for tile in tiles)
    assert full or not boxes


def test_tiles_overlap_as_far_as_objects_are_long():
    boxes = [(10, 10, 12, 20)] * 19 + [(0, 0, 90, 90)]
    images = [annotated('a.png', 200, 200, boxes, 'box')]
    assert choose_tiling(Dataset(Path(), '', {'train': images}), 64).overlap == pytest.approx(
        0.37, abs=0.03
    )
    none = Dataset(Path(), '', {'train': [annotated('a.png', 200, 200, [], 'box')]})
    assert choose_tiling(none, 64).overlap == 0.1
    with pytest.raises(UserError, match='too small'):
        choose_tiling(none, 10)


def test_few_empty_tiles_are_kept_and_deep_images_stay_deep(tmp_path):
    values = np.random.default_rng(0).integers(0, 60_000, (640, 640, 2), np.uint16)
    tifffile.imwrite(tmp_path / 'a.tif', values, planarconfig='contig')
    image = annotated('a.tif', 640, 640, [(5, 5, 20, 20)] * 1 + [(400, 400, 30, 30)], 'box')
    whole = Dataset(tmp_path, 'made', {'train': [image], 'val': []}, ('bolt',))
    cut = cut_into_tiles(whole, ('train', 'val'), Tiling(SIDE, 0), tmp_path / 'tiles')
    empty = [tile for tile in cut.splits['train'] if not tile.objects]
    assert len(empty) <= 5  # of 98; a fifth of those with an object are one
    tile = next(tile for tile in cut.splits['train'] if tile.objects)
    assert np.array_equal(read_array(tmp_path / 'tiles' / tile.name), values[:SIDE, :SIDE])
    with pytest.raises(UserError, match='tiles is there already'):
        cut_into_tiles(whole, ('train',), Tiling(SIDE, 0), tmp_path / 'tiles')


def test_a_detector_is_trained_on_tiles_and_tested_on_whole_images(tmp_path, monkeypatch):
    """From the folder to the report; and detection cuts as the test does."""
    monkeypatch.chdir(tmp_path)
    draws = np.random.default_rng(0)
    world = tmp_path / 'large'
    world.mkdir()
    for i in range(5):
        array = np.full((300, 420, 3), 90, np.uint8)
        boxes = [
            (int(draws.integers(0, 400)), int(draws.integers(0, 280)), 14, 14) for _ in range(9)
        ]
        for x, y, across, down in boxes:
            array[y : y + down, x : x + across] = 220
        Image.fromarray(array).save(world / f'{i}.png')
        shapes = [
            dict(label='bolt', shape_type='rectangle', points=[[x, y], [x + a, y + d]])
            for x, y, a, d in boxes
        ]
        content = dict(
            version='5', shapes=shapes, imagePath=f'{i}.png', imageWidth=420, imageHeight=300
        )
        (world / f'{i}.json').write_text(json.dumps(content))
    made = make_configs(Path('large'), Path('configs'), Machine(None, 2), tile=128, steps=2)
    cfg = load_config('configs/detector.py')
    assert cfg.test_cfg.tile == 128
    assert cfg.scale == (160, 160)  # for objects of 16 pixels
    assert 'tiles to train on' in made.dataset.notes[-1]
    assert set(labelled_images(cfg)) == {path.resolve() for path in world.glob('*.png')}
    options = {
        f'{split}_dataloader.{key}': value
        for split in ('train', 'val')
        for key, value in (('num_workers', 0), ('persistent_workers', False))
    }
    checkpoint = finetune(made.configs[0], None, 'run', options)
    tiles = json.loads(Path('configs/annotations/tiles/train.json').read_text())
    whole = json.loads(Path('configs/annotations/train.json').read_text())
    assert len(tiles['annotations']) > len(whole['annotations'])
    result = evaluate(made.configs[0], checkpoint, 'test', report=False)
    assert 'coco/bbox_mAP' in result.metrics
    detector = Detector(made.configs[0], checkpoint, threshold=0.0)
    assert detector._tiling == Tiling(128, cfg.test_cfg.overlap)
    (sample,) = detector(world / '0.png')
    assert sample.ori_shape == (300, 420)
    assert Detector(made.configs[0], checkpoint, tile=0)._tiling is None
    with pytest.raises(UserError, match='not cut'):
        make_configs(
            Path('large'), Path('other'), Machine(None, 2), tile=128, unlabelled=Path('large')
        )
