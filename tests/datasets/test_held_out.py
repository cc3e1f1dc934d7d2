"""Images that a run shows or measures."""

import logging
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np

from mmgreen.datasets import UnlabelledDataset
from mmgreen.datasets.held_out import held_out_images


def test_without_validation_images_training_images_are_taken(tmp_path, caplog):
    for i in range(9):
        cv2.imwrite(str(tmp_path / f'{i}.png'), np.zeros((40, 40, 3), dtype=np.uint8))
    dataset = UnlabelledDataset(data_root=str(tmp_path), pipeline=[])
    logger = logging.getLogger('test')
    runner = SimpleNamespace(train_dataloader=SimpleNamespace(dataset=dataset), logger=logger)
    found = held_out_images(runner, str(tmp_path / 'val'), 3)
    assert [Path(path).name for path in found] == ['0.png', '3.png', '6.png']
    assert 'val is not there: training images are taken' in caplog.text
    assert len(held_out_images(runner, str(tmp_path), 20)) == 9
