"""A test on images that are cut into tiles."""

from typing import Any

import numpy as np
import torch
from mmcv.transforms import LoadImageFromFile
from mmengine.dataset import Compose
from mmengine.runner import TestLoop

from mmgreen.errors import UserError
from mmgreen.registry import LOOPS
from mmgreen.tiles import Tiling, detect_in_tiles

from .model import unwrapped

#: Pixels of an image up to which masks are laid out for the hooks that draw.
_DRAWN = 50_000_000


@LOOPS.register_module()
class TiledTestLoop(TestLoop):
    """mmengine's loop, which lets a detector see one tile at a time.

    Each tile goes through the test pipeline as if it were an image; results are joined, so that the
    evaluator sees whole images. ``tools/test.py --tile`` uses it.

    Args:
        runner: As of :class:`mmengine.runner.TestLoop`.
        dataloader: As there; its batches are of one image.
        evaluator: As there.
        tile: Side of a tile in pixels.
        overlap: Share of it that neighbours have in common.
        batch_size: Tiles that go through the model together.
        fp16: As there.

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
