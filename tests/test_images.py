"""Images of any depth: values as they are stored, pictures that show something, refusals."""

import mmcv
import numpy as np
import pytest
import tifffile
from PIL import Image

from mmgreen.compat.bit_depth import to_eight_bits
from mmgreen.datasets.images import decoding_fault
from mmgreen.datasets.load_image import LoadImage
from mmgreen.datasets.random_crop import _Picture
from mmgreen.datasets.sizes import look
from mmgreen.datasets.statistics import measure_images
from mmgreen.errors import UserError
from mmgreen.images import Levels, is_deep, read_array, read_image

RNG = np.random.default_rng(0)
KINDS = {
    'grey 8': (RNG.integers(0, 255, (40, 50), dtype=np.uint8), ('png', 'tif', 'npy')),
    'rgb 8': (RNG.integers(0, 255, (40, 50, 3), dtype=np.uint8), ('png', 'tif', 'npy')),
    'rgba 8': (RNG.integers(0, 255, (40, 50, 4), dtype=np.uint8), ('png', 'tif', 'npy')),
    'grey 16': (RNG.integers(0, 4096, (40, 50), dtype=np.uint16), ('png', 'tif', 'npy')),
    'rgb 16': (RNG.integers(0, 4096, (40, 50, 3), dtype=np.uint16), ('cv2.png', 'tif', 'npy')),
    'float': (RNG.normal(0, 3, (40, 50)).astype(np.float32), ('tif', 'npy')),
    'five': (RNG.normal(0, 3, (40, 50, 5)).astype(np.float32), ('tif', 'npy')),
    'stack': (RNG.integers(0, 4096, (5, 40, 50), dtype=np.uint16), ('tif', 'npy')),
}


def save(path, array):
    if path.suffix == '.npy':
        np.save(path, array)
    elif path.suffix == '.tif':
        pages = len(array) == 5
        tifffile.imwrite(path, array, imagej=pages, metadata=dict(axes='CYX') if pages else {})
    elif '.cv2' in path.suffixes:  # Pillow writes no colours of 16 bits
        import cv2

        cv2.imwrite(str(path), array[..., ::-1])
    else:
        Image.fromarray(array).save(path)
    return path


CASES = [
    pytest.param(array, ending, id=f'{name} {ending}')
    for name, (array, endings) in KINDS.items()
    for ending in endings
]


@pytest.mark.parametrize(('array', 'ending'), CASES)
def test_values_are_read_as_stored(array, ending, tmp_path):
    path = save(tmp_path / f'a.{ending}', array)
    expected = array[..., None] if array.ndim == 2 else array
    expected = np.moveaxis(expected, 0, -1) if len(expected) == 5 else expected
    found = read_array(path)
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, expected)
    plain = array.dtype == np.uint8 and ending != 'npy'
    assert is_deep(str(path)) != plain
    picture = read_image(path)
    assert picture.shape == (40, 50, 3)
    assert picture.dtype == np.uint8
    if not plain and array.dtype != np.uint8:
        assert picture.min() == 0
        assert picture.max() == 255
        assert 60 < picture.mean() < 190, 'neither black nor white all over'


def test_levels_say_what_is_black_and_white(tmp_path):
    path = save(tmp_path / 'a.tif', np.array([[100, 200], [300, 4000]], np.uint16))
    image = LoadImage(low=100, high=300)(dict(img_path=str(path)))['img']
    assert image.dtype == np.float32
    expected = np.array([[0, 127.5], [255, 255]], np.float32)
    np.testing.assert_allclose(image, np.stack([expected] * 3, -1))
    values = np.array([np.nan, -np.inf, np.inf, 150])
    assert Levels(100, 200).apply(values).tolist() == [0, 0, 255, 127.5]
    with pytest.raises(UserError, match='low 5 must be below high 5'):
        Levels(5, 5)


def test_channels_are_in_the_order_that_the_model_takes(tmp_path):
    three = save(tmp_path / 'rgb.tif', np.full((4, 4, 3), [1000, 2000, 3000], np.uint16))
    image = LoadImage(low=0, high=4000)(dict(img_path=str(three)))['img']
    assert image[0, 0].tolist() == [191.25, 127.5, 63.75], 'blue, green, red'
    five = save(tmp_path / 'five.npy', np.full((4, 4, 5), [0, 1, 2, 3, 4], np.float32))
    load = LoadImage(low=0, high=4, channels=5, mean=[0] * 5, std=[255] * 5)
    assert load(dict(img_path=str(five)))['img'][0, 0].tolist() == [0, 0.25, 0.5, 0.75, 1]
    with pytest.raises(UserError, match='has 5 channels, and 3 are asked for'):
        LoadImage(low=0, high=4)(dict(img_path=str(five)))


def test_statistics_measure_range_and_channels(tmp_path):
    rng = np.random.default_rng(1)
    paths = []
    for i in range(6):
        values = np.stack([rng.integers(0, 1000, (60, 60)), rng.integers(0, 4000, (60, 60))], -1)
        values[0, 0] = 60_000  # a hot pixel decides nothing
        paths.append(save(tmp_path / f'{i}.npy', values.astype(np.uint16)))
    found = measure_images(paths)
    assert (found.dtype, found.channels, found.deep) == ('uint16', 2, True)
    assert found.most == 60_000
    assert found.low < 50
    assert 3900 < found.high < 4010
    assert found.mean == pytest.approx([500 / 4000 * 255, 127.5], rel=0.05)
    assert found.std == pytest.approx([1000 / 12**0.5 / 4000 * 255, 255 / 12**0.5], rel=0.05)


@pytest.mark.parametrize(
    ('array', 'words'),
    [
        (np.zeros((3, 4, 50, 60), np.uint16), 'an array of 3 x 4 x 50 x 60'),
        (np.zeros((40, 50), np.complex64), 'complex64, which cannot be shown as brightness'),
    ],
)
def test_what_is_no_image_is_refused(array, words, tmp_path):
    with pytest.raises(UserError, match=words):
        read_array(save(tmp_path / 'a.npy', array))


def test_pickled_arrays_are_not_read(tmp_path):
    path = tmp_path / 'a.npy'
    np.save(path, np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(UserError, match='cannot be read'):
        read_array(path)


def test_a_tiff_is_one_image_or_says_that_its_pages_are_channels(tmp_path):
    pages = RNG.integers(0, 255, (4, 40, 50), dtype=np.uint8)
    tifffile.imwrite(tmp_path / 'stack.tif', pages, photometric='minisblack')
    tifffile.imwrite(tmp_path / 'rgb.tif', RNG.integers(0, 255, (3, 40, 50, 3), np.uint8))
    for name in ('stack', 'rgb'):
        for read in (read_array, read_image):
            with pytest.raises(UserError, match='stack|array of'):
                read(tmp_path / f'{name}.tif')
        assert look(tmp_path / f'{name}.tif').pages > 1
        with pytest.raises(ValueError, match='it is a stack of . pages'):
            to_eight_bits(Image.open(tmp_path / f'{name}.tif'))
    with tifffile.TiffWriter(tmp_path / 'pyramid.tif') as file:  # a smaller copy is no page
        file.write(pages[0], photometric='minisblack')
        file.write(pages[0, ::2, ::2], photometric='minisblack', subfiletype=1)
    assert look(tmp_path / 'pyramid.tif').size == (50, 40)
    np.testing.assert_array_equal(read_image(tmp_path / 'pyramid.tif')[..., 0], pages[0])


@pytest.mark.parametrize('orientation', range(1, 9))
@pytest.mark.parametrize('ending', ['tif', 'png', 'jpg'])
def test_all_readers_turn_an_image_as_its_camera_says(orientation, ending, tmp_path):
    """Deep images too, which other decoders read."""
    deep = ending != 'jpg'
    values = np.add.outer(np.arange(24) * 1500, np.arange(36) * 700).astype(np.uint16)
    picture = Image.fromarray(values if deep else (values >> 8).astype(np.uint8))
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f'a.{ending}'
    picture.save(path, exif=exif, **({} if deep else dict(quality=100, subsampling=0)))
    upright = [None, 0, 0, 2, 2, 1, -1, -1, 1][orientation]
    expected = np.rot90(np.asarray(picture), upright)  # EXIF's own table
    if orientation in (2, 4):
        expected = expected[:, ::-1]
    elif orientation in (5, 7):
        expected = np.asarray(picture).T if orientation == 5 else np.rot90(np.asarray(picture), 2).T
    expected = expected.astype(int)
    assert look(path).size == expected.shape[::-1]
    np.testing.assert_allclose(read_array(path)[..., 0], expected, atol=0 if deep else 2)
    shown = read_image(path)[..., 0].astype(int)
    assert shown.shape == expected.shape
    assert np.corrcoef(shown.ravel(), expected.ravel())[0, 1] > 0.99
    trained = mmcv.imread(str(path), backend='pillow')[..., 0]
    np.testing.assert_allclose(trained, expected >> 8 if deep else expected, atol=0 if deep else 2)
    if not deep:
        pixels = _Picture(str(path)).decode(1)[0][0].numpy()
        np.testing.assert_allclose(pixels, expected, atol=2)


@pytest.mark.parametrize('orientation', [1, 6])
@pytest.mark.parametrize('compression', ['tiff_lzw', 'tiff_adobe_deflate', None])
def test_compressed_tiffs_of_16_bits_are_read(compression, orientation, tmp_path):
    values = RNG.integers(0, 2**16, (24, 36), dtype=np.uint16)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(values).save(tmp_path / 'a.tif', exif=exif, compression=compression)
    expected = values if orientation == 1 else np.rot90(values, -1)
    np.testing.assert_array_equal(read_array(tmp_path / 'a.tif')[..., 0], expected)
    assert is_deep(str(tmp_path / 'a.tif'))


def test_an_image_that_would_fill_the_memory_is_refused(trap):
    assert look(trap).size == (24000, 24000)
    for read in (read_array, read_image):
        with pytest.raises(UserError, match='would take 0.5 GiB of memory'):
            read(trap)
    limit = Image.MAX_IMAGE_PIXELS
    look(trap)
    assert limit == Image.MAX_IMAGE_PIXELS
    assert decoding_fault(str(trap))
