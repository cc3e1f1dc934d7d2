"""The loss on images that are not trained on, which says where overfitting begins."""

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.dist import all_reduce
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmgreen.engine.runner.model import unwrapped
from mmgreen.registry import HOOKS

#: The scalar; the parts of the loss follow it, as ``val_loss_mask``.
VAL_LOSS = 'val_loss'


@HOOKS.register_module()
class ValidationLossHook(Hook):
    """Compute the loss on validation images, as they are validated.

    Their sum is the scalar ``val_loss``, beside training's ``loss`` in the log, in TensorBoard and in
    the report. Where it rises while the other falls, overfitting begins.
    The model is not in training mode, so that without drop path the loss on equal images
    is a little lower than in training. What a detector draws at random, such as the regions that
    it is trained on, it draws alike each time.

    Args:
        max_images: So many images of a validation are used, the first ones, in each process.
    """

    def __init__(self, max_images: int = 200) -> None:
        self.max_images = max_images

    def before_val_epoch(self, runner: Runner) -> None:
        self._sums: dict[str, float] = {}
        self._images = 0
        steps = runner.val_dataloader.dataset.pipeline.transforms
        names = [type(step).__name__ for step in steps]
        # mmdet's pipelines load the annotations of images to validate by after these are resized.
        self._unscaled = {'Resize', 'LoadAnnotations'} <= set(names) and names.index(
            'Resize'
        ) < names.index('LoadAnnotations')

    @torch.no_grad()
    def after_val_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: Sequence | None = None,
    ) -> None:
        if self._images >= self.max_images or not data_batch:
            return
        model = unwrapped(runner.model)
        data = model.data_preprocessor(data_batch, False)
        samples = data['data_samples']
        if self._unscaled:
            for sample in samples:
                _scale(sample)
        devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
        with (
            torch.random.fork_rng(devices),
            torch.autocast(data['inputs'].device.type, enabled=runner.val_loop.fp16),
        ):
            torch.manual_seed(batch_idx)
            _, scalars = model.parse_losses(model(**data, mode='loss'))
        self._images += len(samples)
        for key, value in scalars.items():
            if 'loss' in key:
                self._sums[key] = self._sums.get(key, 0.0) + float(value) * len(samples)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        numbers = torch.tensor([*self._sums.values(), self._images], dtype=torch.float64)
        if torch.cuda.is_available():  # NCCL adds up what is on GPUs
            numbers = numbers.cuda()
        all_reduce(numbers)
        if numbers[-1]:
            for key, total in zip(self._sums, numbers[:-1].tolist(), strict=True):
                value = total / float(numbers[-1])
                runner.message_hub.update_scalar(f'val/{key.replace("loss", VAL_LOSS, 1)}', value)


def _scale(sample: Any) -> None:
    """Bring annotations to the scale of the resized image."""
    across, down = sample.scale_factor
    for things in (sample.gt_instances, sample.get('ignored_instances')):
        if things is None:
            continue
        things.bboxes = things.bboxes * things.bboxes.new_tensor([across, down, across, down])
        if 'masks' in things:
            things.masks = things.masks.resize(sample.img_shape[:2])
