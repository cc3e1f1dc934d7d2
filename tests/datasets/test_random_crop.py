"""Crops read quickly are those of the slow way."""

import cv2
import mmcv
import numpy as np
import pytest
import torch
from mmpretrain.datasets.transforms import RandomResizedCrop
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from mmgreen.datasets.random_crop import LoadRandomCrop


def picture(height, width):
    """Waves, so that a shift or another scale shows."""
    y, x = np.mgrid[:height, :width] * (120 / height)
    waves = [np.sin(x / 9 + c) + np.sin(y / (5 + c)) + np.sin((x + y) / 40) for c in range(3)]
    return Image.fromarray((127 + 40 * np.stack(waves, -1)).astype(np.uint8))


def slow(path, seed, scale=64, **settings):
    """mmpretrain's crop of what Pillow decodes."""
    np.random.seed(seed)  # noqa: NPY002
    crop = RandomResizedCrop(scale, backend='pillow', interpolation='bicubic', **settings)
    return crop(dict(img=mmcv.imread(path, backend='pillow')))['img']


def quick(path, seed, scale=64, **settings):
    np.random.seed(seed)  # noqa: NPY002
    found = LoadRandomCrop(scale, **settings)(dict(img_path=str(path)))
    assert found['img'].dtype == torch.uint8
    assert found['img'].is_contiguous()
    return found['img'].permute(1, 2, 0).numpy()


@pytest.mark.parametrize(
    ('name', 'mode', 'most'),
    [
        ('a.jpg', 'RGB', 3),  # two builds of libjpeg, and two resizers that round
        ('a.jpg', 'L', 3),
        ('a.jpg', 'CMYK', 3),
        ('a.png', 'RGB', 2),
        ('a.webp', 'RGB', 2),
        ('a.png', 'I;16', 2),
    ],
)
def test_pixels_are_those_of_the_slow_way(tmp_path, name, mode, most):
    path = tmp_path / name
    image = picture(120, 170)
    if mode == 'I;16':
        image = Image.fromarray(np.array(image.convert('L')).astype(np.uint16) * 257)
    else:
        image = image.convert(mode)
    image.save(path, **({'quality': 95} if name != 'a.png' else {}))
    for seed in range(5):
        difference = slow(path, seed).astype(int) - quick(path, seed)
        assert np.abs(difference).max() <= most


@pytest.mark.parametrize('orientation', range(1, 9))
@pytest.mark.parametrize('size', [(80, 120), (600, 900)])  # the larger one is decoded in part
def test_cameras_that_were_turned(tmp_path, orientation, size):
    path = tmp_path / 'a.jpg'
    image = picture(*size)
    exif = image.getexif()
    exif[0x0112] = orientation
    image.save(path, quality=95, exif=exif)
    settings = dict(scale=32, crop_ratio_range=(0.5, 1.0))
    difference = slow(path, 1, **settings).astype(int) - quick(path, 1, **settings)
    assert np.abs(difference).mean() < 5  # half a decoded pixel


@pytest.mark.parametrize('factor', [2, 4, 8])
def test_of_a_large_photograph_no_more_is_decoded_than_a_crop_needs(tmp_path, factor, monkeypatch):
    path = tmp_path / 'a.jpg'
    side = 32 * 2 * factor
    picture(side + 8, side + 3).save(path, quality=95)
    decoded = []
    draft = JpegImageFile.draft
    monkeypatch.setattr(
        JpegImageFile,
        'draft',
        lambda image, mode, size: decoded.append(size) or draft(image, mode, size),
    )
    settings = dict(scale=32, crop_ratio_range=(1.0, 1.0), aspect_ratio_range=(1.0, 1.0))
    crop = quick(path, 0, **settings)
    assert decoded == [((side + 3) // factor, (side + 8) // factor)]
    assert np.abs(slow(path, 0, **settings).astype(int) - crop).mean() < 5


def test_half_of_the_crops_are_mirrored(tmp_path):
    path = tmp_path / 'a.png'
    cv2.imwrite(str(path), np.tile(np.arange(64, dtype=np.uint8)[None, :, None], (64, 1, 3)))
    load = LoadRandomCrop(64, crop_ratio_range=(1.0, 1.0), flip=0.25)
    np.random.seed(0)  # noqa: NPY002
    crops = [load(dict(img_path=str(path)))['img'] for _ in range(400)]
    mirrored = sum(int(crop[0, 0, 0] > crop[0, 0, -1]) for crop in crops)
    assert 70 < mirrored < 130


def test_an_image_asked_for_again_is_decoded_once(tmp_path, monkeypatch):
    for name in ('a.jpg', 'b.jpg'):
        picture(60, 60).save(tmp_path / name)
    read = []
    get = mmcv.transforms.loading.fileio.get
    monkeypatch.setattr('mmengine.fileio.get', lambda path: read.append(path) or get(path))
    load = LoadRandomCrop(16)
    for name in 'aaabba':
        load(dict(img_path=str(tmp_path / f'{name}.jpg')))
    assert [path[-5] for path in read] == ['a', 'b', 'a']
