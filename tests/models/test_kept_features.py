"""Features of whole images that are kept: computed once, cropped as the images are."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

from mmgreen.datasets.random_crop import LoadRandomCrop
from mmgreen.engine.hooks import KeptFeaturesHook
from mmgreen.errors import UserError
from mmgreen.models.teachers import Teacher, kept_features

MEAN, STD = torch.tensor([123.675, 116.28, 103.53]), torch.tensor([58.395, 57.12, 57.375])


@pytest.fixture
def teacher(tmp_path, monkeypatch):
    """A teacher whose maps are the images, reduced by 8; it counts what it computes."""

    def make(folder='kept', side=64, **kwargs):
        torch.manual_seed(0)
        made = Teacher(
            'test_efficientnet',
            '',
            depths=(0,),
            keep=dict(folder=str(tmp_path / folder), side=side),
            unit=16,
            **kwargs,
        )
        made.channels, made.strides, made.seen = [3], [8], 0
        made.kept.shape = (3, side // 8, side // 8)

        def maps(images):
            made.seen += len(images)
            return [F.avg_pool2d(images, 8)]

        made._maps = maps
        made.net.mean, made.net.std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
        return made

    monkeypatch.setattr(kept_features, '_SHARD', 4)
    return make


@pytest.fixture
def images(tmp_path):
    """Smooth pictures of several shapes."""
    paths = []
    for i, (height, width) in enumerate([(64, 64), (80, 120), (120, 60), (96, 96), (70, 90)] * 2):
        pixels = np.random.default_rng(i).integers(0, 255, (3, 3, 3), np.uint8)
        paths.append(str(tmp_path / f'{i}.png'))
        Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC).save(paths[-1])
    return paths


def sample(path, crop):
    return SimpleNamespace(img_path=path, crop=crop)


@pytest.mark.parametrize('flip', [0.0, 1.0])
def test_a_crop_has_the_features_of_its_part_of_the_image(flip, images, teacher):
    """As the teacher sees the crop itself: here the maps are pixels, so that both can be compared."""
    made = teacher(side=256)
    made.norm = 'channel'
    made.prepare(images, torch.device('cpu'))
    cut = LoadRandomCrop(64, crop_ratio_range=(0.3, 0.8), flip=flip)
    np.random.seed(0)  # noqa: NPY002, as of the loader
    for path in images:
        result = cut.transform(dict(img_path=path))
        pixels = result['img'].flip(0)[None].float()  # red first
        batch = (pixels - MEAN.view(3, 1, 1)) / STD.view(3, 1, 1)
        found = made.features(batch, [sample(path, result['crop'])])
        direct = F.avg_pool2d(pixels, 16)
        variance, mean = torch.var_mean(direct, (0, 2, 3), keepdim=True, unbiased=False)
        error = (found - (direct - mean) / variance.sqrt()).square().mean()
        assert error < 0.02, (path, error)


def test_each_image_is_computed_once(images, teacher, capfd):
    made = teacher()
    made.prepare(images[:7], torch.device('cpu'))
    shards = sorted(made.kept.folder.glob('*.npy'))
    assert len(shards) == 1
    first = made.seen
    again = teacher()
    assert again.kept.folder == made.kept.folder  # of equal weights
    again.prepare(images[:7], torch.device('cpu'))
    assert again.seen == 0
    again.prepare(images, torch.device('cpu'))
    assert 0 < again.seen <= first
    for path in images:
        assert torch.equal(again.kept._row(path), again.kept._row(path))
    assert set(again.kept._rows) == set(images)
    other = teacher(side=128)
    assert other.kept.folder != made.kept.folder


def test_a_run_that_was_ended_goes_on(images, teacher, monkeypatch):
    monkeypatch.setattr(kept_features, '_BATCH', 2)
    made = teacher()
    maps = made._maps

    def fail(x):
        if made.seen >= 6:
            raise KeyboardInterrupt
        return maps(x)

    made._maps = fail
    with pytest.raises(KeyboardInterrupt):
        made.prepare(images, torch.device('cpu'))
    again = teacher()
    again.prepare(images, torch.device('cpu'))
    assert again.seen == 6  # four of ten were written
    whole = teacher('other')
    whole.prepare(images, torch.device('cpu'))
    for path in images:
        assert torch.equal(again.kept._row(path), whole.kept._row(path))


def test_an_image_that_cannot_be_read_is_left_out(images, teacher):
    """The training's own dataset says so and skips it; when it is mended, it is computed."""
    content = Path(images[3]).read_bytes()
    Path(images[3]).write_bytes(content[: len(content) // 2])
    made = teacher()
    made.prepare(images, torch.device('cpu'))
    assert set(made.kept._rows) == set(images) - {images[3]}
    with pytest.raises(UserError, match='has no features of image .*3.png'):
        made.kept._row(images[3])
    Path(images[3]).write_bytes(content)
    again, whole = teacher(), teacher('other')
    again.prepare(images, torch.device('cpu'))
    whole.prepare(images, torch.device('cpu'))
    for path in images:
        assert torch.equal(again.kept._row(path), whole.kept._row(path))


def test_bytes_are_said_and_a_full_disk_is_an_error_before(images, teacher, monkeypatch):
    said = []
    monkeypatch.setattr(kept_features, 'print_log', lambda line, **kwargs: said.append(line))
    monkeypatch.setattr(kept_features.shutil, 'disk_usage', lambda _: SimpleNamespace(free=100))
    made = teacher()
    with pytest.raises(UserError, match='has no room for .* GiB of features: name another folder'):
        made.prepare(images, torch.device('cpu'))
    assert 'features of 10 images are computed once, 0 MiB in' in said[0]
    assert made.seen == 0


def test_crops_that_say_nothing_are_refused(images, teacher):
    made = teacher()
    made.prepare(images, torch.device('cpu'))
    for samples in (None, [SimpleNamespace(img_path=images[0])]):
        with pytest.raises(UserError, match='let mmgreen.LoadRandomCrop make crops'):
            made.features(torch.zeros(1, 3, 64, 64), samples)


def test_an_image_turned_by_its_exif_is_seen_turned(tmp_path, images, teacher):
    made = teacher()
    plain = Image.open(images[1])
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = str(tmp_path / 'turned.png')
    plain.transpose(Image.Transpose.ROTATE_90).save(turned, exif=exif)
    made.prepare([images[1], turned], torch.device('cpu'))
    assert torch.equal(made.kept._row(images[1]), made.kept._row(turned))


class Dataset(list):
    get_data_info = list.__getitem__


def test_a_run_prepares_its_teacher(images, teacher):
    made, said = teacher(), {}
    dataset = Dataset(dict(img_path=path) for path in images)
    runner = SimpleNamespace(
        model=nn.Linear(1, 1),
        train_dataloader=SimpleNamespace(dataset=dataset),
        visualizer=SimpleNamespace(add_scalar=lambda name, value: said.update({name: value})),
    )
    KeptFeaturesHook().before_train(runner)  # of a model without a teacher
    runner.model.head = SimpleNamespace(teacher=made)
    KeptFeaturesHook().before_train(runner)
    assert set(made.kept._rows) == set(images)
    took = said['kept_features_seconds']
    assert 0 < took < 60
    again = runner.model.head.teacher = teacher()
    KeptFeaturesHook().before_train(runner)  # a later run is told what it took then
    assert said['kept_features_seconds'] == pytest.approx(took)
    assert again.seen == 0
