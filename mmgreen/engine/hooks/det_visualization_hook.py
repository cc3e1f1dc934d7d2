"""Pictures of detections, in folders as the images are."""

import os.path as osp
from typing import Any

from mmdet.engine import DetVisualizationHook as MMDetVisualizationHook
from mmengine.runner import Runner

from mmgreen.checkpoints import DEFAULT_THRESHOLD
from mmgreen.engine.runner.model import unwrapped
from mmgreen.registry import HOOKS
from mmgreen.visualization.lettering import drawable


@HOOKS.register_module()
class DetVisualizationHook(MMDetVisualizationHook):
    """mmdet's hook, which keeps the folders of images, so that no name is taken twice.

    It has the same settings. ``mmgreen test --show-dir`` uses it in its place.

    Args:
        score_thr: Score from which detections are drawn; by default the checkpoint's own
            (:func:`mmgreen.checkpoints.threshold_of`).
        **kwargs: See :class:`mmdet.engine.hooks.DetVisualizationHook`.
    """

    _root: str | None = None

    def __init__(self, score_thr: float | None = None, **kwargs: Any) -> None:
        super().__init__(score_thr=DEFAULT_THRESHOLD if score_thr is None else score_thr, **kwargs)
        self._is_set = score_thr is not None

    def before_test(self, runner: Runner) -> None:
        own = getattr(unwrapped(runner.model), 'threshold', None)
        if not self._is_set and own is not None:
            self.score_thr = own

    def after_val_iter(self, runner: Runner, batch_idx: int, data_batch: Any, outputs: Any) -> None:
        self._letter()
        super().after_val_iter(runner, batch_idx, data_batch, outputs)

    def _letter(self) -> None:
        """Let pictures show names that a font has the letters of."""
        meta = self._visualizer.dataset_meta or {}
        if self.draw and meta.get('classes'):
            self._visualizer.dataset_meta = dict(meta, classes=drawable(meta['classes']))

    def after_test_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any, outputs: Any
    ) -> None:
        self._letter()
        if self.test_out_dir is None:
            super().after_test_iter(runner, batch_idx, data_batch, outputs)
            return
        self._root = self._root or self.test_out_dir
        prefix = getattr(runner.test_dataloader.dataset, 'data_prefix', None) or {}
        images = osp.abspath(prefix.get('img') or '')
        for output in outputs:
            folder = osp.relpath(osp.dirname(osp.abspath(output.img_path)), images)
            below = folder != '.' and not folder.startswith('..')
            self.test_out_dir = osp.join(self._root, folder) if below else self._root
            super().after_test_iter(runner, batch_idx, data_batch, [output])
