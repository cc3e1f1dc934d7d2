"""A checkpoint that is tested or resumed fits its model, or the run stops."""

from mmengine.hooks import Hook
from mmengine.runner import BaseLoop, Runner

from mmgreen.checkpoints import check_fit
from mmgreen.engine.runner.model import unwrapped
from mmgreen.registry import HOOKS


@HOOKS.register_module()
class StrictLoadHook(Hook):
    """Refuse to test or resume with weights of another architecture.

    mmengine warns of weights that are missing or of other shapes and goes on
    with random ones. That is of use where a training run starts from another
    model (``load_from``), so such runs are left alone.

    Raises:
        UserError: If a weight is missing, left over, or of another shape.
    """

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        training = isinstance(runner._train_loop, BaseLoop)  # a dict until it is built
        if training and not runner._resume:
            return
        model = unwrapped(runner.model)
        source = runner._load_from or f'last saved in {runner.work_dir}'
        check_fit(model, checkpoint, source, runner.cfg.filename)
