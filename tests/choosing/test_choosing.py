"""What to label next: what is in doubt, what stands for others, and nothing twice."""

import csv
import itertools
import json
import shutil

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.structures import InstanceData
from PIL import Image
from pycocotools import mask as coco_mask
from worlds import World, write

from mmgreen.apis import load_features
from mmgreen.choosing import Eyes, Seen, choose, images_of_folder, labelled_images
from mmgreen.choosing.coverage import cover
from mmgreen.choosing.doubt import doubt_of
from mmgreen.cli.choose import main
from mmgreen.errors import UserError
from mmgreen.images import read_image

PRETRAIN = 'configs/quickstart/greenmim_swin-nano_demo.py'
DETECT = 'configs/quickstart/mask-rcnn_green-swin-nano_fpn_demo.py'


def covered(features, weights, chosen, known):
    """The sum that is made large, by its definition."""
    every = np.concatenate([features, known])
    spread = every.std(0)
    scaled = (every - every.mean(0)) / np.where(spread > 1e-6 * spread.max(), spread, np.inf)
    scaled /= np.maximum(np.linalg.norm(scaled, axis=1, keepdims=True), 1e-12)
    total = 0.0
    for i, weight in enumerate(weights):
        near = [
            (1 + scaled[i] @ scaled[j]) / 2 for j in (*chosen, *range(len(features), len(every)))
        ]
        total += weight * max(near, default=0.0)
    return total / weights.sum()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(3, 9), st.integers(1, 3), st.integers(0, 2))
def test_what_is_chosen_stands_for_nearly_as_many_as_the_best(seed, total, number, known):
    rng = np.random.default_rng(seed)
    features, weights = rng.normal(size=(total, 3)), rng.random(total) + 0.01
    labelled = rng.normal(size=(known, 3))
    found = cover(features, weights, number, labelled if known else None)
    chosen = [place for place, _ in found]
    assert len(set(chosen)) == number
    every = itertools.combinations(range(total), number)
    best = max(covered(features, weights, some, labelled) for some in every)
    before = covered(features, weights, (), labelled)
    reached = covered(features, weights, chosen, labelled)
    assert reached - before >= (1 - 1 / np.e) * (best - before) - 1e-5
    # Each says what it adds, and never more than those before.
    shares = [share for _, share in found]
    assert sum(shares) == pytest.approx(reached - before, abs=1e-5)
    assert all(a >= b - 1e-6 for a, b in itertools.pairwise(shares))


def test_an_image_in_doubt_comes_before_one_of_which_nothing_is_in_doubt():
    """Three kinds of images: one is labelled, one is known well, one is in doubt."""
    rng = np.random.default_rng(0)
    kinds = np.eye(3)[[0] * 5 + [1] * 5 + [2] * 4] * 9
    features = kinds + rng.normal(size=kinds.shape) * 0.1
    weights = np.array([0.5] * 5 + [0.05] * 5 + [0.9] * 4)
    first, second = (place for place, _ in cover(features, weights, 2, np.eye(3)[:1] * 9))
    assert first >= 10
    assert 5 <= second < 10
    assert cover(np.zeros((0, 3)), np.zeros(0), 5) == []
    # All alike, as black images are: any is as good.
    assert len(cover(np.ones((4, 3)), np.ones(4), 9)) == 4


def found(score, box=(10, 10, 20, 20), category=1, **more):
    return dict(score=score, bbox=list(box), category_id=category, **more)


def test_doubt_is_of_scores_and_of_places():
    sure = found(1.0)
    assert doubt_of([sure], [sure]) == pytest.approx(0, abs=1e-3)
    assert doubt_of([], []) is None
    half = found(0.5)
    assert doubt_of([half], [half]) == pytest.approx(0.5)
    # The mirror image shows another class, or nothing there.
    assert doubt_of([sure], [found(1.0, category=2)]) == pytest.approx(0.5, abs=1e-3)
    assert doubt_of([half], []) == pytest.approx(1.0)
    # A box that is half off has an IoU of a third.
    off = found(1.0, (20, 10, 20, 20))
    assert doubt_of([sure], [off]) == pytest.approx((1 - 1 / 3) / 2, abs=1e-3)
    # An object of a low score counts little.
    assert doubt_of([sure, found(0.05, (80, 80, 5, 5))], [sure]) < 0.05
    # Masks are looked at where there are some, and not their boxes.
    full, part = np.zeros((2, 40, 40), np.uint8, order='F')
    full, part = np.asfortranarray(full), np.asfortranarray(part)
    full[10:30, 10:30], part[10:30, 10:20] = 1, 1
    masks = [found(1.0, segmentation=coco_mask.encode(mask)) for mask in (full, part)]
    assert doubt_of(masks[:1], masks[1:]) == pytest.approx(0.25, abs=1e-3)


class Finds:
    """A detector that finds one bolt, from so many pixels on, in every picture of 40 pixels."""

    classes, features = ('bolt',), staticmethod(lambda path: np.ones(2))

    def __init__(self, left):
        self.left = left

    def read(self, path):
        return np.zeros((20, 40, 3), np.uint8)

    def __call__(self, array):
        masks = torch.zeros(1, *array.shape[:2], dtype=torch.bool)
        masks[:, 5:15, self.left : self.left + 10] = True
        sample = DetDataSample(metainfo=dict(ori_shape=array.shape[:2]))
        sample.pred_instances = InstanceData(
            bboxes=torch.tensor([[self.left, 5, self.left + 10, 15]], dtype=torch.float),
            scores=torch.ones(1),
            labels=torch.zeros(1, dtype=torch.long),
            masks=masks,
        )
        return [sample]


@pytest.mark.parametrize(('left', 'doubt'), [(0, 0.5), (15, 0.0), (13, (1 - 6 / 14) / 2)])
def test_the_mirror_image_is_mirrored_back(left, doubt):
    """At 15 pixels it is in the middle; at 0 there is nothing where it was; at 13 they share 6 of 14."""
    eyes = Eyes.__new__(Eyes)
    eyes._detector, eyes.classes, eyes.features = Finds(left), Finds.classes, Finds.features
    seen = eyes.look('anything')
    assert seen.doubt == pytest.approx(doubt, abs=1e-3)
    assert [each['label'] for each in seen.found] == ['bolt']


class Colours:
    """Eyes that see mean colours, and doubt what is red."""

    classes = ('bolt',)

    def features(self, path):
        return read_image(path).mean((0, 1))

    def look(self, path):
        mean = self.features(path)
        return Seen(mean, float(mean[0] / 255) or None)


@pytest.fixture(scope='module')
def pool(tmp_path_factory):
    """Six annotated images and as many others, of which two show the same and one a labelled one."""
    folder = tmp_path_factory.mktemp('pool') / 'all'
    write('LabelMe', World({f'{i}.png': [(0, (2, 2, 4, 4))] for i in range(6)}, ['bolt']), folder)
    more = tmp_path_factory.mktemp('more')
    write('LabelMe', World({f'{i}.png': [] for i in range(26)}, ['bolt']), more)
    (folder / 'new').mkdir()
    for i in range(20, 26):
        shutil.copy(more / f'{i}.png', folder / 'new')
    Image.open(folder / 'new/20.png').save(folder / 'new/again.jpg', quality=95)
    Image.open(folder / '0.png').save(folder / 'new/known.jpg', quality=95)
    shutil.copy(folder / '1.png', folder / 'new/copy.png')
    return folder


def test_nothing_is_chosen_that_is_labelled_and_nothing_twice(pool):
    images, labelled = images_of_folder(pool)
    assert (len(images), len(labelled)) == (15, 6)
    chosen, account = choose(Colours(), images, 50, labelled)
    assert {choice.path.name for choice in chosen} == {f'{i}.png' for i in range(20, 26)}
    assert account == [
        '15 images',
        '7 of them are among the 6 that are labelled',
        '2 show nearly the same as others, or as labelled ones',
    ]
    few, _ = choose(Colours(), images, 2, labelled)
    assert [choice.path for choice in few] == [choice.path for choice in chosen[:2]]
    with pytest.raises(UserError, match='nothing to choose from: 6 images, 6 of them are among'):
        choose(Colours(), labelled, 2, labelled)


def test_an_image_that_cannot_be_read_is_left_out_and_counted(pool, tmp_path):
    broken = tmp_path / 'broken.png'
    broken.write_bytes(b'no image')
    images, labelled = images_of_folder(pool)
    chosen, account = choose(Colours(), [*images, broken], 50, labelled)
    assert len(chosen) == 6
    assert account[-1] == '1 cannot be read (broken.png)'


def test_annotations_of_the_config_are_labels_too(pool, tmp_path):
    """Those that it trains and tests on; not the images of a file without objects."""
    names = [f'new/{i}.png' for i in (20, 21, 22)]
    for split, name, annotations in (
        ('train', names[0], [dict(id=1)]),
        ('val', names[1], [dict(id=1)]),
        ('rest', names[2], []),
    ):
        images = [dict(id=1, file_name=name), dict(id=2, file_name='gone.png')]
        (tmp_path / f'{split}.json').write_text(
            json.dumps(dict(images=images, annotations=annotations))
        )

    def dataset(split):
        ann_file = str(tmp_path / f'{split}.json')
        return dict(data_root=str(pool), ann_file=ann_file, data_prefix=dict(img=''))

    both = dict(datasets=[dataset('train'), dataset('rest')])
    cfg = Config(
        dict(train_dataloader=dict(dataset=both), val_dataloader=dict(dataset=dataset('val')))
    )
    assert labelled_images(cfg) == [(pool / name).resolve() for name in names[:2]]
    more = labelled_images(cfg, [pool])
    assert len(more) == 2 + 6


def test_the_first_images_are_chosen_by_a_pretraining(pool, tmp_path, browser, capsys):
    """To the files, by the command; and what was chosen is not written over."""
    from mmgreen.config import load_config
    from mmgreen.engine import build_model

    cfg = load_config(PRETRAIN)
    checkpoint = tmp_path / 'pretrained.pth'
    torch.save(dict(state_dict=build_model(cfg).state_dict(), meta={}), checkpoint)
    out = tmp_path / 'next'
    main([PRETRAIN, str(checkpoint), str(pool), '--number', '3', '--out', str(out)])
    assert '7 of them are among the 6' in capsys.readouterr().out
    rows = list(csv.DictReader((out / 'chosen.csv').open()))
    assert len(rows) == 3
    assert {row['doubt'] for row in rows} == {''}
    for row in rows:
        assert (out / 'images' / row['image']).read_bytes() == (pool / row['image']).read_bytes()
    page = browser.new_page(viewport=dict(width=400, height=800))
    page.goto((out / 'index.html').as_uri())
    assert page.locator('h1').text_content() == '3 images to label next'
    assert page.locator('figure b').all_text_contents() == [row['image'] for row in rows]
    assert page.evaluate('[...document.images].every((image) => image.naturalWidth > 0)')
    assert page.evaluate('document.documentElement.scrollWidth') <= 400
    page.close()
    with pytest.raises(SystemExit, match='perhaps labels'):
        main([PRETRAIN, str(checkpoint), str(pool), '--out', str(out)])
    # The features are of the image and of nothing else, be it a file or an array.
    features = load_features(PRETRAIN, checkpoint)
    one, other = (features(pool / f'new/{i}.png') for i in (20, 21))
    assert one.shape == (128,)
    assert np.abs(one - other).max() > 1e-2
    assert np.abs(one - features(read_image(pool / 'new/20.png')[..., ::-1])).max() < 1e-5


@pytest.mark.parametrize(
    ('config', 'words'),
    [(PRETRAIN, 'is a pre-training: name its checkpoint'), (DETECT, 'starts from random weights')],
)
def test_weights_that_are_not_trained_choose_nothing(config, words):
    cfg = Config.fromfile(config)
    cfg.model.backbone.init_cfg = None
    with pytest.raises(UserError, match=words):
        load_features(cfg)


def test_a_folder_without_images_and_a_wrong_number_are_refused(pool, tmp_path):
    (tmp_path / 'empty').mkdir()
    with pytest.raises(SystemExit, match='no image below'):
        main([DETECT, str(tmp_path / 'empty'), '--out', str(tmp_path / 'next')])
    with pytest.raises(SystemExit):
        main([DETECT, str(pool), '--number', '0', '--out', str(tmp_path / 'next')])
    assert not (tmp_path / 'next').exists()
