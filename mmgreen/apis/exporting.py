"""Trained detectors as files for other programs."""

import os
from pathlib import Path

from mmengine.config import Config

from mmgreen.config import load_config
from mmgreen.errors import UserError

from .inference import load_model


def export_detector(
    config: str | os.PathLike | Config,
    checkpoint: str | os.PathLike,
    out: str | os.PathLike,
    cfg_options: dict | None = None,
) -> None:
    """Write a trained detector as an ONNX file (:func:`mmgreen.deploy.export_onnx`).

    Args:
        config: Detector config. Its datasets need not be there.
        checkpoint: Its checkpoint.
        out: File to write, which ends in ``.onnx``.
        cfg_options: Settings to change, by dotted names.

    Raises:
        UserError: If config or checkpoint are not right, or ONNX cannot express the detector.
    """
    from mmdet.utils import get_test_pipeline_cfg  # slow to import

    from mmgreen.deploy import export_onnx, preparation

    if Path(out).suffix != '.onnx':
        raise UserError(f'{out} must end in .onnx')
    cfg = load_config(config, cfg_options)
    pipeline = get_test_pipeline_cfg(cfg)
    preparation(pipeline)  # its faults first
    model = load_model(cfg, checkpoint, 'cpu')
    export_onnx(model, pipeline, model.dataset_meta.get('classes') or (), Path(out))
