"""Detectors, loaded once and called on images."""

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import Compose

from mmgreen.checkpoints import DEFAULT_THRESHOLD
from mmgreen.config import load_config
from mmgreen.engine import own_scope
from mmgreen.errors import UserError
from mmgreen.tiles import Tiling, as_loaded, detect_in_tiles

from .images import images_below
from .inference import Image, as_list, load_model, loading_step, read

if TYPE_CHECKING:
    from mmdet.structures import DetDataSample


class Detector:
    """A detector that is loaded once, and called on paths, arrays or a folder.

    Args:
        config: Detector config. Its datasets need not be there.
        checkpoint: Its checkpoint, which says the number of categories, or an ONNX file exported from
            it. With None the weights are those that its training would start from: only :meth:`features` say
            something then.
        device: By default the GPU, or else the CPU.
        threshold: Detections of a lower score are left out; 0 keeps all. By default the checkpoint's own
            (:func:`mmgreen.checkpoints.threshold_of`), or 0.3 where it has none.
        tile: Cut images into tiles of this side in pixels, for images too large, or objects too
            small, to be seen whole. By default as the config tests (``mmgreen.TiledTestLoop``); 0 never does.
        overlap: Share of a tile that neighbours have in common; by default as the config tests, or 0.2.
        batch_size: Images that go through the model together. They are padded to the largest of
            them, which moves scores a little; has no effect with tiles.
        cfg_options: Settings to change, by dotted names.
        runtime: What runs an ONNX file: ``'onnxruntime'``, ``'openvino'`` or ``'openvino-bf16'``; by default what
            ``MMGREEN_RUNTIME`` says, or the first.

    Attributes:
        classes: Names of the categories.
        threshold: The score from which detections are given.
        best_threshold: What it is by default.
        model: A model of mmdet, or of an ONNX file.

    Raises:
        UserError: If config or checkpoint are not right, or do not fit.
    """

    def __init__(
        self,
        config: str | os.PathLike | Config,
        checkpoint: str | os.PathLike | None,
        device: str | None = None,
        threshold: float | None = None,
        tile: int | None = None,
        overlap: float | None = None,
        batch_size: int = 1,
        cfg_options: dict | None = None,
        runtime: str | None = None,
    ) -> None:
        from mmdet.utils import get_test_pipeline_cfg  # slow to import

        cfg = load_config(config, cfg_options)
        first, *steps = get_test_pipeline_cfg(cfg)
        self._load = loading_step([first])
        self.model: Any = load_model(cfg, checkpoint, device, runtime)
        with own_scope(cfg):
            self._prepare = Compose(steps)
        self._cfg = cfg
        tested = cfg.get('test_cfg') or {}
        tile = tested.get('tile') if tile is None else tile
        overlap = tested.get('overlap', 0.2) if overlap is None else overlap
        self._tiling = Tiling(tile, overlap) if tile else None
        self._batch_size = batch_size
        own: Any = self.model.threshold
        self.best_threshold: float = DEFAULT_THRESHOLD if own is None else own
        self.threshold = self.best_threshold if threshold is None else threshold
        self.classes: tuple[str, ...] = tuple(self.model.dataset_meta.get('classes') or ())

    def __call__(self, images: Image | Sequence[Image]) -> list['DetDataSample']:
        """Detect objects.

        Args:
            images: One or several, or a folder, of which all images are taken, sorted by name.

        Returns:
            For each image an mmdet sample with ``pred_instances`` of ``bboxes`` (N, 4)
            as x1, y1, x2, y2 in pixels of the image, ``labels`` (N,), ``scores``
            (N,) and, of Mask R-CNN, ``masks`` (N, height, width), with tiles a list of COCO's
            run lengths; the names of categories are in its ``metainfo['classes']``, the file, if it
            is one, in its ``img_path``.

        Raises:
            UserError: If an image cannot be read.
        """
        return list(self.stream(images))

    def stream(self, images: Image | Sequence[Image]) -> Iterator['DetDataSample']:
        """Do what a call does, one sample after the other, so that no more than a batch is in memory."""
        if isinstance(images, str | os.PathLike) and os.path.isdir(images):
            images = images_below(images)
        listed, together = as_list(images), 1 if self._tiling else self._batch_size
        for start in range(0, len(listed), together):
            some = listed[start : start + together]
            arrays = [self.read(image) for image in some]
            with own_scope(self._cfg):
                if self._tiling:
                    samples = [
                        detect_in_tiles(self.model, self._prepare, array, self._tiling)
                        for array in arrays
                    ]
                else:
                    samples = self._detect(arrays)
            for image, sample in zip(some, samples, strict=True):
                path = None if isinstance(image, np.ndarray) else str(image)
                sample.set_metainfo(dict(classes=self.classes, img_path=path))
                keep = sample.pred_instances.scores >= self.threshold
                if not keep.all():  # for masks of a large image are not copied in vain
                    sample.pred_instances = sample.pred_instances[keep]
                yield sample

    def read(self, image: Image) -> np.ndarray:
        """An image as the model's pipeline has it after loading, (height, width, channels)."""
        return read(image, self._load)

    @torch.no_grad()
    def features(self, image: Image) -> np.ndarray:
        """What the backbone sees in an image: its last map, averaged, (C,), float32.

        Raises:
            UserError: If the image cannot be read, or the model is of an ONNX file.
        """
        backbone = getattr(self.model, 'backbone', None)
        if backbone is None:
            raise UserError(
                'an exported detector does not tell what its backbone sees: name the checkpoint it was exported from'
            )
        array = self.read(image)
        with own_scope(self._cfg):
            prepared = self._prepare(as_loaded(array, (0, 0, array.shape[1], array.shape[0])))
            data = self.model.data_preprocessor({key: [value] for key, value in prepared.items()})
            last = backbone(data['inputs'])[-1]
        return last[0].mean((1, 2)).float().cpu().numpy()

    @torch.no_grad()
    def _detect(self, arrays: list[np.ndarray]) -> list['DetDataSample']:
        prepared = [
            self._prepare(as_loaded(array, (0, 0, array.shape[1], array.shape[0])))
            for array in arrays
        ]
        return self.model.test_step({key: [p[key] for p in prepared] for key in prepared[0]})


def detect(
    config: str | os.PathLike | Config,
    checkpoint: str | os.PathLike,
    images: Image | Sequence[Image],
    cfg_options: dict | None = None,
    tile: int | None = None,
    overlap: float | None = None,
    threshold: float | None = None,
) -> list['DetDataSample']:
    """Detect objects once; where there are several calls, a :class:`Detector` loads once.

    Args:
        config: See :class:`Detector`.
        checkpoint: See :class:`Detector`.
        images: One or several, or a folder; see :meth:`Detector.__call__`.
        cfg_options: See :class:`Detector`.
        tile: See :class:`Detector`.
        overlap: See :class:`Detector`.
        threshold: See :class:`Detector`.

    Returns:
        One sample for each image, in their order.

    Raises:
        UserError: If an image cannot be read, or the checkpoint does not fit.
    """
    detector = Detector(config, checkpoint, None, threshold, tile, overlap, cfg_options=cfg_options)
    return detector(images)
