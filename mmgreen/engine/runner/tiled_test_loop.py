"""A test on images that are cut into tiles."""

from typing import Any

import numpy as np
import torch
from mmcv.transforms import LoadImageFromFile
from mmengine.config import Config, ConfigDict
from mmengine.dataset import Compose
from mmengine.runner import TestLoop

from mmgreen.errors import UserError
from mmgreen.registry import LOOPS
from mmgreen.tiles import Tiling, detect_in_tiles

from .model import unwrapped

#: Pixels of an image up to which masks are laid out for the hooks that draw.
_DRAWN = 50_000_000


#: The name of the loop in configs.
TILED = 'mmgreen.TiledTestLoop'


def tile_test(cfg: Config, tile: int, overlap: float = 0.2) -> None:
    """Let a test cut images into tiles.

    Args:
        cfg: Changed in place.
        tile: Side of a tile in pixels.
        overlap: Share of it that neighbours have in common.

    Raises:
        UserError: If tile or overlap make no sense, or the config tests nothing.
    """
    Tiling(tile, overlap)
    if not cfg.get('test_dataloader'):
        raise UserError(f'{cfg.filename} has no test_dataloader: there is nothing to test')
    fp16 = (cfg.get('test_cfg') or {}).get('fp16', False)
    # On a CPU several tiles at once are no faster, and take as much more memory.
    together = 4 if torch.cuda.is_available() else 1
    cfg.test_cfg = ConfigDict(
        type=TILED, tile=tile, overlap=overlap, batch_size=together, fp16=fp16
    )
    # A large image is loaded where it is used: handing it over would take its memory twice.
    cfg.test_dataloader.update(batch_size=1, num_workers=0)
    for step in cfg.test_dataloader.dataset.pipeline:
        if step.type == 'LoadImageFromFile':  # Pillow refuses large ones, and takes more memory
            step.setdefault('imdecode_backend', 'cv2')


@LOOPS.register_module()
class TiledTestLoop(TestLoop):
    """mmengine's loop, which lets a detector see one tile at a time.

    Each tile goes through the test pipeline as if it were an image; results are joined, so that the
    evaluator sees whole images. ``mmgreen test --tile`` uses it.

    Args:
        runner: See :class:`mmengine.runner.TestLoop`.
        dataloader: Its batches are of one image.
        evaluator: See :class:`mmengine.runner.TestLoop`.
        tile: Side of a tile in pixels.
        overlap: Share of it that neighbours have in common.
        batch_size: Tiles that go through the model together.
        fp16: See :class:`mmengine.runner.TestLoop`.

    Raises:
        UserError: If tile or overlap make no sense, or the pipeline loads no image.
    """

    def __init__(
        self,
        runner: Any,
        dataloader: Any,
        evaluator: Any,
        tile: int = 1024,
        overlap: float = 0.2,
        batch_size: int = 1,
        fp16: bool = False,
    ) -> None:
        self.tiling = Tiling(tile, overlap)
        self.batch_size = batch_size
        super().__init__(runner, dataloader, evaluator, fp16)
        dataset = self.dataloader.dataset
        steps = dataset.pipeline.transforms
        loads = [i for i, step in enumerate(steps) if isinstance(step, LoadImageFromFile)]
        if not loads:
            raise UserError('the test pipeline loads no image that could be cut into tiles')
        self._prepare = Compose(
            [s for s in steps[loads[0] + 1 :] if type(s).__name__ != 'CheckSize']
        )
        dataset.pipeline = Compose(steps[: loads[0] + 1])

    @torch.no_grad()
    def run_iter(self, idx: int, data_batch: dict) -> None:
        (image,), (path,), (number,) = (data_batch[k] for k in ('img', 'img_path', 'img_id'))
        data_batch = dict(inputs=[image], data_samples=None)  # as hooks know it
        self.runner.call_hook('before_test_iter', batch_idx=idx, data_batch=data_batch)
        model = unwrapped(self.runner.model)
        device = next(model.parameters()).device.type
        with torch.autocast(device, enabled=self.fp16):
            sample = detect_in_tiles(model, self._prepare, image, self.tiling, self.batch_size)
        sample.set_metainfo(dict(img_path=path, img_id=number, img_shape=image.shape[:2]))
        self.evaluator.process(data_samples=[sample], data_batch=data_batch)
        self.runner.call_hook(
            'after_test_iter', batch_idx=idx, data_batch=data_batch, outputs=[_drawable(sample)]
        )


def _drawable(sample: Any) -> Any:
    """A sample with masks as arrays, or, of a very large image, with boxes alone."""
    masks = sample.pred_instances.get('masks')
    if masks is None:
        return sample
    from pycocotools import mask as coco_mask

    sample = sample.clone()
    height, width = sample.ori_shape
    del sample.pred_instances.masks
    if height * width <= _DRAWN and masks:
        arrays = np.stack([coco_mask.decode(mask) for mask in masks])
        sample.pred_instances.masks = torch.from_numpy(arrays).bool()
    return sample
