"""Corrupt images are named, skipped and counted."""

import cv2
import numpy as np
import pytest
from mmengine.registry import DefaultScope
from torch.utils.data import DataLoader

from mmgreen.datasets import UnlabelledDataset
from mmgreen.errors import UserError

PIPELINE = [dict(type='LoadImageFromFile')]


@pytest.fixture(autouse=True)
def scope():
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        yield


def folder_of(path, count):
    """JPEG files of noise, in two folders."""
    rng = np.random.default_rng(0)
    for i in range(count):
        target = path / f'{"even" if i % 2 == 0 else "odd"}/{i:03d}.jpg'
        target.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(target), rng.integers(0, 255, (40, 40, 3), np.uint8))
    return path


def tear(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def names(dataset):
    return [dataset.get_data_info(i)['img_path'] for i in range(len(dataset))]


def test_finds_nested_images_of_every_format(tmp_path):
    folder_of(tmp_path, 4)
    cv2.imwrite(str(tmp_path / 'flat.PNG'), np.zeros((8, 8, 3), np.uint8))
    (tmp_path / 'notes.txt').write_text('not an image')
    dataset = UnlabelledDataset(data_root=str(tmp_path), pipeline=PIPELINE)
    assert len(dataset) == 5
    assert all('gt_label' not in dataset.get_data_info(i) for i in range(5))


@pytest.mark.parametrize('fault', ['torn', 'text', 'empty'])
def test_a_corrupt_image_is_skipped_and_named(tmp_path, logged, fault):
    folder_of(tmp_path, 100)
    bad = tmp_path / 'odd/001.jpg'
    if fault == 'torn':
        tear(bad)  # OpenCV would return it half grey
    else:
        bad.write_text('no image' if fault == 'text' else '')
    dataset = UnlabelledDataset(data_root=str(tmp_path), pipeline=PIPELINE)
    index = names(dataset).index(str(bad))
    sample = dataset[index]
    assert sample['img_path'] != str(bad)
    assert 'WARNING' in logged.text
    assert str(bad) in logged.text
    assert '1 of 100 so far' in logged.text


def test_over_one_per_cent_is_an_error_also_across_workers(tmp_path):
    folder_of(tmp_path, 150)
    for name in ('even/000.jpg', 'odd/001.jpg'):  # one for each worker
        tear(tmp_path / name)
    dataset = UnlabelledDataset(data_root=str(tmp_path), pipeline=PIPELINE)
    order = sorted(range(150), key=lambda i: names(dataset)[i][-7:])
    loader = DataLoader(dataset, 1, sampler=order, num_workers=2, collate_fn=list)
    with pytest.raises(UserError, match='2 of 150 images cannot be read, which is over 1%'):
        list(loader)


def test_a_corrupt_image_is_an_error_in_testing(tmp_path):
    folder_of(tmp_path, 4)
    tear(tmp_path / 'even/000.jpg')
    dataset = UnlabelledDataset(data_root=str(tmp_path), pipeline=PIPELINE, test_mode=True)
    with pytest.raises(UserError, match=r'even/000.jpg cannot be read'):
        dataset[0]


def test_a_fault_of_the_pipeline_is_not_taken_for_a_corrupt_image(tmp_path):
    folder_of(tmp_path, 2)

    def broken(results):
        raise ZeroDivisionError('a fault of the pipeline')

    dataset = UnlabelledDataset(data_root=str(tmp_path), pipeline=[*PIPELINE, broken])
    with pytest.raises(ZeroDivisionError, match='a fault of the pipeline'):
        dataset[0]


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(UserError, match='there is no image below'):
        UnlabelledDataset(data_root=str(tmp_path), pipeline=PIPELINE)
