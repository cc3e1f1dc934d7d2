"""Detectors, loaded once and called on images."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import Compose
from pycocotools import mask as coco_mask
from rich.progress import track

from mmgreen.config import load_config
from mmgreen.datasets.images import EXTENSIONS
from mmgreen.engine import own_scope
from mmgreen.errors import UserError
from mmgreen.images import read_image
from mmgreen.tiles import Tiling, as_loaded, detect_in_tiles

from .inference import Image, as_list, load_model, loader, read

if TYPE_CHECKING:
    from mmdet.structures import DetDataSample


class Detector:
    """A detector that is loaded once, and called on paths, arrays or a folder.

    Args:
        config: Detector config. Its datasets need not be there.
        checkpoint: Its checkpoint, which says the number of categories, or an ONNX file exported from
            it.
        device: By default the GPU, or else the CPU.
        threshold: Detections of a lower score are left out.
        tile: Cut images into tiles of this side in pixels, for images too large, or objects too
            small, to be seen whole.
        overlap: Share of a tile that neighbours have in common.
        batch_size: Images that go through the model together. They are padded to the largest of
            them, which moves scores a little; has no effect with tiles.
        cfg_options: Settings to change, by dotted names.

    Attributes:
        classes: Names of the categories.
        model: Of mmdet, or of an ONNX file.

    Raises:
        UserError: If config or checkpoint are not right, or do not fit.
    """

    def __init__(
        self,
        config: str | os.PathLike | Config,
        checkpoint: str | os.PathLike,
        device: str | None = None,
        threshold: float = 0.0,
        tile: int | None = None,
        overlap: float = 0.2,
        batch_size: int = 1,
        cfg_options: dict | None = None,
    ) -> None:
        from mmdet.utils import get_test_pipeline_cfg  # slow to import

        cfg = load_config(config, cfg_options)
        first, *steps = get_test_pipeline_cfg(cfg)
        self._load = loader([first])
        self.model: Any = load_model(cfg, checkpoint, device)
        with own_scope(cfg):
            self._prepare = Compose(steps)
        self._cfg = cfg
        self._tiling = Tiling(tile, overlap) if tile else None
        self._batch_size = batch_size
        self.threshold = threshold
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
        """As a call, one sample after the other, so that no more than a batch is in memory."""
        if isinstance(images, str | os.PathLike) and os.path.isdir(images):
            images = images_below(images)
        listed, together = as_list(images), 1 if self._tiling else self._batch_size
        for start in range(0, len(listed), together):
            some = listed[start : start + together]
            arrays = [read(image, self._load) for image in some]
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
                if self.threshold:
                    keep = sample.pred_instances.scores >= self.threshold
                    sample.pred_instances = sample.pred_instances[keep]
                yield sample

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
    overlap: float = 0.2,
) -> list['DetDataSample']:
    """Detect objects once; where there are several calls, a :class:`Detector` loads once.

    Args:
        config: As of :class:`Detector`.
        checkpoint: As of :class:`Detector`.
        images: As of a call of it.
        cfg_options: As of :class:`Detector`.
        tile: As of :class:`Detector`.
        overlap: As of :class:`Detector`.

    Returns:
        As a call of it.

    Raises:
        UserError: If an image cannot be read, or the checkpoint does not fit.
    """
    detector = Detector(config, checkpoint, tile=tile, overlap=overlap, cfg_options=cfg_options)
    return detector(images)


def images_below(folder: str | os.PathLike) -> list[Path]:
    """Every image below a folder, sorted by name.

    Raises:
        UserError: If there is none.
    """
    found = sorted(p for p in Path(folder).rglob('*') if p.name.lower().endswith(EXTENSIONS))
    if not found:
        raise UserError(f'there is no image below {folder} ({", ".join(EXTENSIONS)})')
    return found


def detect_folder(
    detector: Detector, images: str | os.PathLike, pictures: str | os.PathLike | None = None
) -> dict[str, list[dict]]:
    """Detect objects in all images of a folder, and draw them.

    Args:
        detector: What finds them.
        images: Folder, or one image.
        pictures: Folder for pictures, named as the images (``.jpg`` is added to other endings); by
            default none are drawn.

    Returns:
        COCO's ``images``, ``annotations`` (with a ``score`` each) and ``categories``; files are named
        from the folder.

    Raises:
        UserError: If there is no image, or one cannot be read, or a picture would replace an image.
    """
    root = Path(images)
    if not root.exists():
        raise UserError(f'{root} does not exist: name a folder of images, or one image')
    paths = images_below(root) if root.is_dir() else [root]
    if pictures and Path(pictures).resolve() == (root if root.is_dir() else root.parent).resolve():
        raise UserError(f'pictures would replace the images of {root}: name another folder')
    entries: list[dict] = []
    annotations: list[dict] = []
    samples = detector.stream(paths)
    for number, (path, sample) in enumerate(
        zip(track(paths, 'Images'), samples, strict=True), start=1
    ):
        name = path.relative_to(root).as_posix() if root.is_dir() else path.name
        height, width = sample.ori_shape
        entries.append(dict(id=number, file_name=name, width=width, height=height))
        for found in to_coco(sample, number):
            annotations.append(dict(id=len(annotations) + 1) | found)
        if pictures:
            ending = '' if path.suffix.lower() == '.jpg' else '.jpg'
            _draw(sample, path, Path(pictures, name + ending))
    categories = [dict(id=i, name=name) for i, name in enumerate(detector.classes, start=1)]
    return dict(images=entries, annotations=annotations, categories=categories)


def _draw(sample: 'DetDataSample', path: Path, out: Path) -> None:
    from mmdet.visualization import DetLocalVisualizer  # slow to import

    sample = sample.cpu()
    instances = sample.pred_instances
    if isinstance(instances.get('masks'), list):  # run lengths, of tiles
        masks = [coco_mask.decode(rle).astype(bool) for rle in instances.masks]
        del instances.masks
        if masks:
            instances.masks = torch.from_numpy(np.stack(masks))
    visualizer = DetLocalVisualizer()
    visualizer.dataset_meta = dict(classes=sample.metainfo['classes'])
    visualizer.add_datasample(
        path.name,
        read_image(path),
        sample,
        draw_gt=False,
        out_file=str(out),
        pred_score_thr=0.0,
    )


def to_coco(sample: 'DetDataSample', image_id: int) -> list[dict]:
    """Detections of an image as annotations of COCO, with a ``score`` each.

    Args:
        sample: As of a :class:`Detector`.
        image_id: Of the image.

    Returns:
        With ``category_id`` counted from 1 in the order of the categories, ``bbox`` as x, y, width,
        height and, of masks, ``segmentation`` as run lengths; without ``id``.
    """
    instances = sample.pred_instances.cpu()
    masks = instances.get('masks')
    if isinstance(masks, torch.Tensor):
        masks = [coco_mask.encode(np.asfortranarray(m.numpy().astype(np.uint8))) for m in masks]
    found = []
    for i in range(len(instances)):
        left, top, right, bottom = instances.bboxes[i].tolist()
        box = [left, top, right - left, bottom - top]
        entry: dict[str, Any] = dict(
            image_id=image_id,
            category_id=int(instances.labels[i]) + 1,
            bbox=box,
            area=box[2] * box[3],
            iscrowd=0,
            score=float(instances.scores[i]),
        )
        if masks is not None:
            counts = masks[i]['counts']
            text = counts.decode() if isinstance(counts, bytes) else counts
            entry['segmentation'] = dict(size=list(masks[i]['size']), counts=text)
            entry['area'] = float(coco_mask.area(masks[i]))
        found.append(entry)
    return found
