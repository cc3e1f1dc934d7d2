"""The moving average that teaches a detector, and when it does."""

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmdet.engine.hooks import MeanTeacherHook as MMDetMeanTeacherHook
from mmengine.dist import all_gather_object, is_main_process
from mmengine.logging import print_log
from mmengine.runner import Runner

from mmgreen.engine.runner.model import unwrapped
from mmgreen.files import write_whole
from mmgreen.registry import HOOKS

#: Images without labels, by how much in doubt the teacher was of them.
UNSURE = 'unsure.json'
# Of what the teacher should be sure of, the share below which something is wrong.
_HARDLY_ANY = 0.1
_MOST_NAMED = 10


@HOOKS.register_module()
class MeanTeacherHook(MMDetMeanTeacherHook):
    """Moves the teacher of :class:`mmgreen.models.MeanTeacher` behind the student, step by step.

    A run begins with labels alone, until the teacher can be trusted (burn-in, as in `Unbiased Teacher
    <https://arxiv.org/abs/2102.09480>`_); then what the teacher says counts more and more. Statistics of
    batch norms are averaged as weights are.

    The log says how many boxes of which category become labels, and warns where these are hardly any. After
    the run ``unsure.json`` in the work dir lists the images without labels, those first of which the
    teacher was in doubt most: labels for these teach it most.

    Args:
        burn_in: Steps on labels alone; a share of the run where it is below 1.
        warm_up: Steps after these in which the weight of images without labels rises from zero to
            its whole; a share of the run where it is below 1.
        momentum: What each step moves the teacher by: ``(1 - m) * teacher + m * student``. By default a
            twentieth of the run is remembered, and at least 20 steps. In the first steps it is
            ``1 / step``, the plain average.
    """

    def __init__(
        self, burn_in: float = 0.25, warm_up: float = 0.1, momentum: float | None = None
    ) -> None:
        super().__init__(momentum=momentum or 0.5, skip_buffer=False)
        self.burn_in, self.warm_up, self.by_length = burn_in, warm_up, momentum is None

    def before_train(self, runner: Runner) -> None:
        """Let the teacher begin as the student."""
        super().before_train(runner)
        self._begin, self._rise = (
            steps * runner.max_iters if steps < 1 else steps
            for steps in (self.burn_in, self.warm_up)
        )
        if self.by_length:
            self.momentum = 1 / max(20.0, runner.max_iters / 20)

    def before_train_iter(self, runner: Runner, *args: Any, **kwargs: Any) -> None:
        """Say how much images without labels count at this step."""
        passed = runner.iter - self._begin
        share = 0.0 if passed < 0 else min(1.0, (passed + 1) / max(1.0, self._rise))
        unwrapped(runner.model).share = share

    def after_train_iter(self, runner: Runner, *args: Any, **kwargs: Any) -> None:
        """Move the teacher, and say ten times in a run what it teaches."""
        passed = runner.iter + 1 - self._begin
        if passed > 0 and (runner.iter + 1) % max(1, runner.max_iters // 10) == 0:
            _say(unwrapped(runner.model), runner.train_dataloader.dataset.metainfo.get('classes'))
        self.momentum_update(unwrapped(runner.model), max(self.momentum, 1 / (runner.iter + 1)))

    def after_train(self, runner: Runner) -> None:
        """Write which images the teacher is in doubt of."""
        seen: dict[str, tuple[int, int]] = {}
        for part in all_gather_object(unwrapped(runner.model).seen):
            seen |= part
        if not seen or not is_main_process():
            return
        rows = [dict(image=path, sure=sure, doubtful=doubt) for path, (sure, doubt) in seen.items()]
        rows.sort(key=lambda row: (-row['doubtful'], row['sure'], row['image']))
        write_whole(Path(runner.work_dir, UNSURE), json.dumps(rows, indent=1, ensure_ascii=False))


def _say(model: Any, classes: Sequence[str] | None) -> None:
    """Boxes of each category that become labels, an image, beside the objects of labelled images."""
    kept, objects = model.labels_per_image().tolist(), model.objects.tolist()
    names = classes or [str(i) for i in range(len(kept))]
    order = sorted(range(len(kept)), key=lambda i: -objects[i])
    each = ', '.join(f'{names[i]} {kept[i]:.2f} of {objects[i]:.2f}' for i in order[:_MOST_NAMED])
    print_log(
        f'Teacher: {sum(kept):.2f} boxes an image become labels, where labelled images have '
        f'{sum(objects):.2f} objects ({each}{", ..." if len(order) > _MOST_NAMED else ""})',
        logger='current',
    )
    wanted = model.sure * sum(objects)
    if sum(kept) < _HARDLY_ANY * wanted:
        print_log(
            f'The teacher is sure of hardly anything: lower model.score_thr ({model.score_thr}), or let it '
            'learn from labels alone for longer (burn_in of mmgreen.MeanTeacherHook)',
            logger='current',
            level=logging.WARNING,
        )
    silent = [names[i] for i in order if kept[i] == 0 and objects[i] >= _HARDLY_ANY * sum(objects)]
    if silent and sum(kept) > 0:
        print_log(
            f'No box becomes a label of {", ".join(silent)}, which labelled images have often: the teacher '
            'may forget it; look at its figures in a test',
            logger='current',
            level=logging.WARNING,
        )
