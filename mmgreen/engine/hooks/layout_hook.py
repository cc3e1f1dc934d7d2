"""Masks that follow the steps of a run."""

from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmgreen.engine.runner.model import unwrapped
from mmgreen.registry import HOOKS


@HOOKS.register_module()
class LayoutHook(Hook):
    """Let masks go on at the step at which a run does, and end the processes that build layouts with it.

    ``mmgreen train`` adds it to every run; it does nothing for models without layouts.
    """

    def before_train(self, runner: Runner) -> None:
        layouts = getattr(unwrapped(runner.model), 'layouts', None)
        if layouts is not None:
            layouts.step = runner.iter

    def after_train(self, runner: Runner) -> None:
        layouts = getattr(unwrapped(runner.model), 'layouts', None)
        if layouts is not None:
            layouts.close()
