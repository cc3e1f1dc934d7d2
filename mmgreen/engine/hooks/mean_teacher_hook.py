"""The moving average that teaches a detector, and when it does."""

from typing import Any

from mmdet.engine.hooks import MeanTeacherHook as MMDetMeanTeacherHook
from mmengine.runner import Runner

from mmgreen.engine.runner.model import unwrapped
from mmgreen.registry import HOOKS


@HOOKS.register_module()
class MeanTeacherHook(MMDetMeanTeacherHook):
    """Moves the teacher of :class:`mmgreen.models.MeanTeacher` behind the student, step by step.

    A run begins with labels alone, until the teacher can be trusted (burn-in, as in `Unbiased Teacher
    <https://arxiv.org/abs/2102.09480>`_); then what the teacher says counts more and more. Statistics of
    batch norms are averaged as weights are.

    Args:
        burn_in: Steps on labels alone; a share of the run where it is below 1.
        warm_up: Steps after these in which the weight of images without labels rises from nothing to
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
        """Move the teacher."""
        self.momentum_update(unwrapped(runner.model), max(self.momentum, 1 / (runner.iter + 1)))
