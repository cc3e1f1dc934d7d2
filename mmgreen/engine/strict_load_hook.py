"""A checkpoint that is tested or resumed fits its model, or the run stops."""

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import BaseLoop, Runner

from mmgreen.errors import UserError
from mmgreen.registry import HOOKS

from .checkpoint import is_derived


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
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        wanted = {k: v.shape for k, v in model.state_dict().items() if not is_derived(k)}
        found = checkpoint.get('state_dict', checkpoint)
        found = {k.removeprefix('module.'): v for k, v in found.items() if not is_derived(k)}

        missing = [k for k in wanted if k not in found]
        left_over = [k for k in found if k not in wanted]
        shapes = [k for k in wanted if k in found and found[k].shape != wanted[k]]
        if missing or left_over or shapes:
            faults = {'missing': missing, 'left over': left_over, 'of another shape': shapes}
            said = ', '.join(f'{len(v)} {k} (such as {v[0]})' for k, v in faults.items() if v)
            source = runner._load_from or f'last saved in {runner.work_dir}'
            raise UserError(
                f'checkpoint {source} is of another architecture than the config '
                f'{runner.cfg.filename}: weights {said}'
            )
