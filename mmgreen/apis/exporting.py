"""Trained detectors as files for other programs."""

import math
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mmengine.config import Config
from mmengine.dataset import Compose
from terminaltables import GithubFlavoredMarkdownTable

from mmgreen.config import load_config, parts
from mmgreen.datasets.copies import files_of_coco
from mmgreen.engine import own_scope
from mmgreen.errors import UserError
from mmgreen.tiles import as_loaded

from .detector import Detector
from .inference import load_model, loading_step, read


def export_detector(
    config: str | os.PathLike | Config,
    checkpoint: str | os.PathLike,
    out: str | os.PathLike,
    cfg_options: dict | None = None,
    half: bool = False,
    batch: bool = False,
    int8: bool = False,
) -> None:
    """Write a trained detector as an ONNX file (:func:`mmgreen.deploy.export_onnx`).

    Args:
        config: Detector config. Its datasets need not be there.
        checkpoint: Its checkpoint.
        out: File to write, which ends in ``.onnx``.
        cfg_options: Settings to change, by dotted names.
        half: Whether its layers have 16 bits.
        batch: Whether it takes several images at once.
        int8: Whether its layers have 8 bits (:func:`mmgreen.deploy.quantize`); the config's training images say in which
            ranges.

    Raises:
        UserError: If config or checkpoint are not right, or ONNX cannot express the detector; with ``int8``, if no
            training image is there, or too few objects are found again.
    """
    from mmdet.utils import get_test_pipeline_cfg  # slow to import

    from mmgreen.deploy import export_onnx, preparation, quantize

    if Path(out).suffix != '.onnx':
        raise UserError(f'{out} must end in .onnx')
    if half and int8:
        raise UserError('layers have 16 bits or 8: choose half or int8')
    cfg = load_config(config, cfg_options)
    pipeline = get_test_pipeline_cfg(cfg)
    preparation(pipeline)  # its faults first
    shown = _shown(cfg, pipeline) if int8 else []
    model: Any = load_model(cfg, checkpoint, 'cpu')
    classes = model.dataset_meta.get('classes') or ()
    if not int8:
        export_onnx(model, pipeline, classes, Path(out), half, batch)
        return
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder, 'whole.onnx')
        export_onnx(model, pipeline, classes, whole, batch=batch)
        quantize(whole, Path(out), shown, model.threshold)


def _shown(cfg: Config, pipeline: Sequence[dict], most: int = 32) -> list[np.ndarray]:
    """Training images as an exported file takes them: RGB, uint8, (height, width, 3)."""
    from mmgreen.deploy import as_rgb

    files: list[Path] = []
    for _, dataset in parts(cfg.train_dataloader.dataset):
        root, folder = Path(dataset.get('data_root') or ''), dataset.get('data_prefix') or {}
        if dataset.get('ann_file'):
            files += files_of_coco(root / dataset.ann_file, root / folder.get('img', '')) or []
    files = [file for file in dict.fromkeys(files) if file.is_file()]
    if not files:
        raise UserError(
            f'{cfg.filename} has no training image that is there, and --int8 looks at some: set train_dataloader.dataset'
        )
    with own_scope(cfg):
        prepare = Compose(pipeline[1:])
        arrays = [read(file) for file in files[:: math.ceil(len(files) / most)]]
        loaded = [as_loaded(each, (0, 0, each.shape[1], each.shape[0])) for each in arrays]
        return [as_rgb(prepare(each)['inputs']) for each in loaded]


def export_backbone(
    config: str | os.PathLike | Config,
    checkpoint: str | os.PathLike,
    out: str | os.PathLike,
    cfg_options: dict | None = None,
) -> None:
    """Write the backbone of a detector, a classifier or a pre-training as a file that runs without mmgreen.

    Args:
        config: Its config.
        checkpoint: Its checkpoint.
        out: File to write: ``.pt2``, of a Swin, for its maps (:func:`mmgreen.deploy.export_program`), or
            ``.onnx``, for the features of an image (:func:`mmgreen.deploy.export_features`), which are those of
            :func:`load_features`.
        cfg_options: Settings to change, by dotted names.

    Raises:
        UserError: If config or checkpoint are not right, the backbone is no Swin, or ONNX cannot express it.
    """
    from mmdet.utils import get_test_pipeline_cfg  # slow to import

    from mmgreen.deploy import export_features, export_program, preparation

    if Path(out).suffix not in ('.pt2', '.onnx'):
        raise UserError(f'{out} must end in .pt2 or .onnx')
    cfg = load_config(config, cfg_options)
    model: Any = load_model(cfg, checkpoint, 'cpu')
    if Path(out).suffix == '.pt2':
        export_program(model.backbone, Path(out))
        return
    if cfg.get('test_dataloader'):
        steps = preparation(get_test_pipeline_cfg(cfg))
    else:
        if loading_step(cfg.train_dataloader.dataset.pipeline):
            raise UserError(
                f'{cfg.filename} loads images of more than eight bits, which a file cannot be told'
            )
        side = cfg.model.backbone.get('img_size', 224)
        steps = [dict(op='resize', size=[side, side], keep_ratio=False)]
    export_features(model, steps, Path(out))


def time_exported(
    config: str | os.PathLike | Config,
    checkpoint: str | os.PathLike,
    exported: str | os.PathLike,
    size: tuple[int, int] = (800, 1333),
    rounds: int = 5,
    cfg_options: dict | None = None,
) -> str:
    """Time a detector and the file exported from it, by each runtime that is installed, in turn, on one image.

    Args:
        config: Detector config.
        checkpoint: Its checkpoint.
        exported: ONNX file exported from it.
        size: Height and width of the image.
        rounds: Times that each sees it, after one more that is not counted.
        cfg_options: Settings to change, by dotted names.

    Returns:
        A table in Markdown: size of the file (of a checkpoint: of its weights), median, smallest and
        largest time in seconds, from the image to boxes and masks, and how many times as fast.

    Raises:
        UserError: If a file is not right.
    """
    from mmgreen.deploy import runtimes_here  # slow to import

    noise = np.random.default_rng(0).integers(0, 256, (size[0] // 16, size[1] // 16, 3), np.uint8)
    image = cv2.resize(noise, size[::-1])
    detectors = {}
    there = runtimes_here()
    for name in ('PyTorch', *there):
        file, runtime = (checkpoint, None) if name == 'PyTorch' else (exported, name)
        detectors[name] = Detector(config, file, 'cpu', cfg_options=cfg_options, runtime=runtime)
        detectors[name](image)
    seconds: dict[str, list[float]] = {name: [] for name in detectors}
    for _ in range(rounds):
        for name, detector in detectors.items():
            start = time.perf_counter()
            detector(image)
            seconds[name].append(time.perf_counter() - start)
    weights = sum(p.numel() * p.element_size() for p in detectors['PyTorch'].model.parameters())
    sizes = dict.fromkeys(there, os.path.getsize(exported)) | dict(PyTorch=weights)
    rows = [['by', 'MiB', 's/image', 'min', 'max', 'speed']]
    for name, times in seconds.items():
        faster = np.median(seconds['PyTorch']) / np.median(times)
        figures = [f'{x:.3f}' for x in (np.median(times), min(times), max(times))]
        rows.append([name, f'{sizes[name] / 2**20:.1f}', *figures, f'{faster:.2f}x'])
    return str(GithubFlavoredMarkdownTable(rows).table)
