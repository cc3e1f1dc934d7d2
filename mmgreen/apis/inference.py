"""Trained models loaded, images read, and pre-training models asked to fill in."""

import os
from collections.abc import Sequence

import numpy as np
import torch
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from torch import nn

import mmgreen  # noqa: F401
from mmgreen.checkpoints import check_fit, find_checkpoint, read_checkpoint, threshold_of
from mmgreen.config import around_backbone, load_config, set_num_classes
from mmgreen.datasets.load_image import LoadImage
from mmgreen.engine import build_model, lay_out
from mmgreen.errors import UserError
from mmgreen.images import read_array, read_image
from mmgreen.visualization import draw_reconstructions

Image = str | os.PathLike | np.ndarray


def reconstruct(
    config: str | os.PathLike | Config,
    checkpoint: str | os.PathLike,
    images: Image | Sequence[Image],
    size: int | None = None,
    seed: int = 0,
    cfg_options: dict | None = None,
) -> np.ndarray:
    """Mask images and let a pre-trained model fill them in.

    Args:
        config: GreenMIM config.
        checkpoint: Its checkpoint.
        images: One or several, of any size each.
        size: Side in pixels to which they are resized; by default the backbone's.
        seed: Decides the masks.
        cfg_options: Settings to change, by dotted names.

    Returns:
        A picture with a column for each image: masked, predicted, original.
        RGB, uint8, (height, width, 3).

    Raises:
        UserError: If an image cannot be read, the config is of another method,
            or the checkpoint does not fit.
    """
    cfg = load_config(config, cfg_options)
    if cfg.model.type != 'mmgreen.GreenMIM':
        raise UserError(f'{cfg.filename} describes {cfg.model.type}, not mmgreen.GreenMIM')
    load = loading_step(cfg.train_dataloader.dataset.pipeline)
    arrays = [read(image, load) for image in as_list(images)]
    rgb = [array[..., ::-1] if array.shape[2] == 3 else array for array in arrays]
    model = load_model(cfg, checkpoint)
    return draw_reconstructions(model, rgb, size or cfg.model.backbone.get('img_size', 224), seed)


def loading_step(pipeline: Sequence[dict]) -> LoadImage | None:
    """The step that loads images of more than eight bits, where a pipeline begins with it."""
    first = dict(pipeline[0])
    return LoadImage(**first) if first.pop('type') == 'mmgreen.LoadImage' else None


def as_list(images: Image | Sequence[Image]) -> list[Image]:
    return [images] if isinstance(images, Image) else list(images)


def read(image: Image, load: LoadImage | None = None) -> np.ndarray:
    """An image as a pipeline has it after loading: BGR, uint8, or as ``load`` gives it."""
    if not isinstance(image, np.ndarray):
        return load.prepare(read_array(image), str(image)) if load else read_image(image)[..., ::-1]
    if load:
        array = image[..., None] if image.ndim == 2 else image
        return load.prepare(array[..., ::-1] if array.shape[2] == 3 else array)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise UserError(
            'an image array must be uint8 of shape (height, width, 3), not '
            f'{image.dtype} of shape {image.shape}'
        )
    return image


def load_model(
    cfg: Config,
    checkpoint: str | os.PathLike | None,
    device: str | None = None,
    runtime: str | None = None,
) -> nn.Module:
    """A config's model with all weights of a checkpoint, by default on the GPU if there is one.

    Without a checkpoint it has the weights that its training would start from. A detector of an ONNX file is a
    model, too, by a runtime (:func:`mmgreen.deploy.open_runtime`). The model's ``threshold`` is the checkpoint's (:func:`mmgreen.checkpoints.threshold_of`), or None.
    """
    if checkpoint is not None and str(checkpoint).endswith('.onnx'):
        from mmgreen.deploy import ExportedDetector  # slow to import

        exported = ExportedDetector(checkpoint, runtime)
        exported.cfg = cfg
        return exported
    loaded: dict = {}
    if checkpoint is not None:
        checkpoint = find_checkpoint(checkpoint)
        loaded = read_checkpoint(checkpoint)
    meta = loaded.get('meta', {}).get('dataset_meta') or {}
    part = around_backbone(cfg.model)
    if 'backbone' in part and checkpoint is not None:
        part.backbone.pop('init_cfg', None)  # all weights are in the checkpoint
    if meta.get('classes'):
        set_num_classes(cfg, len(meta['classes']))
    model = revert_sync_batchnorm(build_model(cfg))
    if checkpoint is None:
        model.init_weights()
    else:
        check_fit(model, loaded, checkpoint, cfg.filename)
        model.load_state_dict(loaded.get('state_dict', loaded), strict=False)
    model = getattr(model, 'judged', model)  # of a teacher and a student
    device = device or ('cuda' if torch.cuda.is_available() else 'cpu')
    lay_out(model, device)
    model.to(device)
    model.eval()
    model.cfg, model.dataset_meta = cfg, meta
    model.threshold = threshold_of(loaded)
    return model
