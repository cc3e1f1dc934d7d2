"""Whether features collapse while pre-training goes on."""

import logging
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor, nn

from mmgreen.datasets.held_out import held_out_images, load_held_out
from mmgreen.engine.runner.model import unwrapped
from mmgreen.errors import UserError
from mmgreen.evaluation import effective_rank, knn_predict, share_within_images
from mmgreen.registry import HOOKS

#: What the scalars are called, with the number of the stage, from 1, behind the first two.
RANK, WITHIN, KNN = 'health/rank_stage', 'health/within_stage', 'health/knn'

# A share of variance within images below this, or a rank below this part of the highest so far,
# is warned of.
_LITTLE, _FALLEN = 0.1, 0.5
# Images that go through the model together.
_BATCH = 16


@HOOKS.register_module()
class FeatureHealthHook(Hook):
    """Measure the features of a few images, before pre-training and every so often.

    By stage, the effective rank of their tokens and the share of variance within
    images (:mod:`mmgreen.evaluation.health`); where the images are in class folders,
    also how many of them a vote of nearest neighbours puts into the right one, each
    half of them known to the other. They are scalars of the run, drawn in its report;
    a fall is warned of. A loss may fall while features collapse, since colour alone
    explains much of it.

    Args:
        images: Folder of validation images, looked through to its depths, or a file that lists them;
            training images where it is not there.
        num_images: How many of them, evenly spaced.
        interval: Epochs between two measurements, or steps; the end is measured, too.
        by_epoch: Whether the interval is in epochs; steps suit a run that is counted in them.

    Raises:
        UserError: If the backbone has no stages.
    """

    def __init__(
        self, images: str, num_images: int = 64, interval: int = 5, by_epoch: bool = True
    ) -> None:
        self.images = images
        self.num_images = num_images
        self.interval = interval
        self.by_epoch = by_epoch
        self._highest: list[float] = []

    def before_train(self, runner: Runner) -> None:
        if not is_main_process():
            return
        if not hasattr(unwrapped(runner.model).backbone, 'stages'):
            raise UserError(
                'FeatureHealthHook measures features by stage, which this backbone does not '
                'have: leave it out of custom_hooks'
            )
        self._loaded: list[np.ndarray] = []
        folders = []
        for path in held_out_images(runner, self.images, self.num_images):
            try:
                self._loaded.append(load_held_out(runner, path))
                folders.append(Path(path).parent)
            except UserError as error:  # no reason to lose a run
                runner.logger.log(logging.WARNING, f'Not measured: {error}')
        classes = sorted(set(folders))
        self._labels = torch.tensor([classes.index(folder) for folder in folders])
        if runner.iter == 0:
            self._measure(runner, 0)

    def after_train_epoch(self, runner: Runner) -> None:
        if (
            self.by_epoch
            and is_main_process()
            and (self.every_n_epochs(runner, self.interval) or self.is_last_train_epoch(runner))
        ):
            self._measure(runner, runner.epoch + 1)

    def after_train_iter(self, runner: Runner, *args, **kwargs) -> None:
        if (
            not self.by_epoch
            and is_main_process()
            and (self.every_n_train_iters(runner, self.interval) or self.is_last_train_iter(runner))
        ):
            self._measure(runner, runner.iter + 1)

    def _measure(self, runner: Runner, done: int) -> None:
        if not self._loaded:
            return
        model = unwrapped(runner.model)
        size = runner.cfg.model.backbone.get('img_size', 224)
        stages = _stage_features(model, self._loaded, size)
        if not all(features.isfinite().all() for features in stages):
            runner.logger.warning('Features of held-out images are not finite: not measured')
            return
        ranks = [effective_rank(features.flatten(0, 1)) for features in stages]
        within = [share_within_images(features) for features in stages]
        message = (
            f'Features by stage: effective rank {_listed(ranks, 1)}, share of variance within '
            f'images {_listed(within, 2)}'
        )
        scalars = {f'{RANK}{i}': rank for i, rank in enumerate(ranks, 1)}
        scalars |= {f'{WITHIN}{i}': share for i, share in enumerate(within, 1)}
        if 1 < self._labels.max() + 1 <= len(self._labels) / 4:
            scalars[KNN] = _neighbours(stages[-1].mean(1), self._labels)
            message += f', nearest neighbours {scalars[KNN]:.1f} %'
        runner.logger.info(message)
        unit, step = ('epoch', runner.iter) if self.by_epoch else ('iter', done)
        runner.visualizer.add_scalars(scalars | {unit: done}, step=step)
        if done:
            self._warn(runner, f'{unit} {done}', ranks, within)

    def _warn(self, runner: Runner, when: str, ranks: list[float], within: list[float]) -> None:
        """What features had before training is left out: random ones fill many directions.

        Each says when it is: mmengine's logger says nothing twice.
        """
        highest = self._highest or ranks
        fallen = [
            i
            for i, (rank, share) in enumerate(zip(ranks, within, strict=True))
            if rank < _FALLEN * highest[i] or share < _LITTLE
        ]
        if fallen:
            runner.logger.warning(
                f'Features of stage {", ".join(str(i + 1) for i in fallen)} collapse ({when}): '
                'tokens of one image hardly differ, even if the loss is low. Compare a detector '
                'that starts from them with one that does not; a lower learning rate or more steps '
                'may help.'
            )
        self._highest = [max(pair) for pair in zip(ranks, highest, strict=True)]


def _listed(values: list[float], digits: int) -> str:
    return ', '.join(f'{value:.{digits}f}' for value in values)


@torch.no_grad()
def _stage_features(model: nn.Module, images: list[np.ndarray], size: int) -> list[Tensor]:
    """Tokens of each stage, (N, tokens, C), without a mask; the model's mode is left as it was."""
    training = model.training
    model.eval()
    stages: Any = model.backbone.stages
    # A stage that is a mere list of blocks, as of Twins, is not called itself.
    stages = [stage[-1] if isinstance(stage, nn.ModuleList) else stage for stage in stages]
    found: list[list[Tensor]] = [[] for _ in stages]

    def keep(stage: nn.Module, inputs: tuple, out: Any, kept: list[Tensor]) -> None:
        kept.append((out if isinstance(out, Tensor) else out[0]).cpu())

    handles = [
        stage.register_forward_hook(partial(keep, kept=kept))
        for stage, kept in zip(stages, found, strict=True)
    ]
    for first in range(0, len(images), _BATCH):
        resized = [cv2.resize(image, (size, size)) for image in images[first : first + _BATCH]]
        stack = np.stack(resized)
        if stack.shape[-1] == 3:  # the preprocessor expects what OpenCV reads
            stack = stack[..., ::-1]
        batch = torch.from_numpy(stack.copy()).permute(0, 3, 1, 2)
        model.backbone(model.data_preprocessor(dict(inputs=batch, data_samples=None))['inputs'])
    for handle in handles:
        handle.remove()
    model.train(training)
    return [torch.cat(kept) for kept in found]


def _neighbours(features: Tensor, labels: Tensor) -> float:
    """Per cent that a vote of nearest neighbours among the other half puts right."""
    right = 0
    for known in (0, 1):
        bank, asked = slice(known, None, 2), slice(1 - known, None, 2)
        scores = knn_predict(features[asked], features[bank], labels[bank], int(labels.max()) + 1)
        right += int((scores.argmax(1) == labels[asked]).sum())
    return 100 * right / len(labels)
