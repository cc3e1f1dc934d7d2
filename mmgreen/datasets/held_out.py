"""Images that a run shows or measures, and does not train on."""

import logging
import os.path as osp

import numpy as np
from mmengine.runner import Runner

from mmgreen.images import read_image

from .folders import UnlabelledDataset
from .load_image import LoadImage


def load_held_out(runner: Runner, path: str) -> np.ndarray:
    """An image as training sees it before it is cropped, (height, width, channels), RGB of three.

    Raises:
        UserError: If it cannot be read.
    """
    pipeline = getattr(runner.train_dataloader.dataset, 'pipeline', None)  # a wrapper has none
    steps = pipeline.transforms if pipeline else ()
    load = next((step for step in steps if isinstance(step, LoadImage)), None)
    if load is None:
        return read_image(path)
    image = load(dict(img_path=path))['img']
    return image[..., ::-1] if image.shape[2] == 3 else image


def held_out_images(runner: Runner, folder: str, number: int) -> list[str]:
    """Paths of some images below a folder, evenly spaced.

    Args:
        runner: Its training images are taken where the folder is not there, and that
            is said.
        folder: Looked through to its depths; or a file that lists images, a line each, below the
            folder of the training images.
        number: Number of images, at most.
    """
    if osp.isfile(folder):
        with open(folder, encoding='utf-8') as file:
            names = [line.strip() for line in file if line.strip()]
        root = runner.train_dataloader.dataset.data_root
        return [osp.join(root, name) for name in names[:: max(1, len(names) // number)][:number]]
    if osp.isdir(folder):
        dataset = UnlabelledDataset(data_root=folder, pipeline=[])
    else:
        runner.logger.log(
            logging.WARNING, f'{folder} is not there: training images are taken in its place'
        )
        dataset = runner.train_dataloader.dataset
    step = max(1, len(dataset) // number)
    chosen = range(0, len(dataset), step)[:number]
    return [dataset.get_data_info(i)['img_path'] for i in chosen]
