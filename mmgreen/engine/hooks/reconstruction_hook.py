"""Reconstructions of the same images under the same masks, epoch by epoch."""

import logging

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmgreen.engine.runner.model import unwrapped
from mmgreen.errors import UserError
from mmgreen.registry import HOOKS
from mmgreen.visualization import draw_reconstructions

#: The picture's name, for all of mmengine's visualization backends.
PICTURE = 'reconstruction'


@HOOKS.register_module()
class ReconstructionHook(Hook):
    """Give the visualizer a picture of reconstructions, before training, every so often and at the end.

    The local backend writes it to ``vis_data/vis_image/reconstruction_EPOCH.png``, or STEP;
    TensorBoard and Weights & Biases show it where they are on.

    Args:
        images: Folder of validation images, looked through to its depths, or a file that lists them;
            training images where it is not there.
        num_images: How many of them, evenly spaced.
        interval: Epochs between two pictures, or steps.
        by_epoch: Whether the interval is in epochs; steps suit a run that is counted in them.
    """

    def __init__(
        self, images: str, num_images: int = 4, interval: int = 1, by_epoch: bool = True
    ) -> None:
        self.images = images
        self.num_images = num_images
        self.interval = interval
        self.by_epoch = by_epoch

    def before_train(self, runner: Runner) -> None:
        if not is_main_process():
            return
        # mmpretrain is slow to import
        from mmgreen.datasets.held_out import held_out_images, load_held_out

        self._loaded = []
        self._drawn = -1
        head = unwrapped(runner.model).head
        if not head.draws:
            runner.logger.info(f'Not drawn: what {type(head).__name__} predicts is no picture')
            return
        for path in held_out_images(runner, self.images, self.num_images):
            try:
                self._loaded.append(load_held_out(runner, path))
            except UserError as error:  # no reason to lose a run
                runner.logger.log(logging.WARNING, f'Not drawn: {error}')
        if runner.iter == 0:
            self._draw(runner, 0)

    def after_train_epoch(self, runner: Runner) -> None:
        if self.by_epoch and is_main_process() and self.every_n_epochs(runner, self.interval):
            self._draw(runner, runner.epoch + 1)

    def after_train_iter(self, runner: Runner, *args, **kwargs) -> None:
        if (
            not self.by_epoch
            and is_main_process()
            and self.every_n_train_iters(runner, self.interval)
        ):
            self._draw(runner, runner.iter + 1)

    def after_train(self, runner: Runner) -> None:
        if is_main_process():
            self._draw(runner, runner.epoch if self.by_epoch else runner.iter)

    def _draw(self, runner: Runner, done: int) -> None:
        if not self._loaded or done == self._drawn:
            return
        self._drawn = done
        model = unwrapped(runner.model)
        size = runner.cfg.model.backbone.get('img_size', 224)
        picture = draw_reconstructions(model, self._loaded, size)
        runner.visualizer.add_image(PICTURE, picture, step=done)
