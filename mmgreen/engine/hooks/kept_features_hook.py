"""Features of a teacher, computed before a run."""

from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmgreen.engine.runner.model import unwrapped
from mmgreen.registry import HOOKS

#: Name of the scalar.
SECONDS = 'kept_features_seconds'


@HOOKS.register_module()
class KeptFeaturesHook(Hook):
    """Let the teacher of a model compute the features that it keeps, of all images, before a run.

    What it took, in this run or before, is a scalar of the run. Every training has this hook; without a
    teacher that keeps features it does nothing.
    """

    def before_train(self, runner: Runner) -> None:
        teacher = getattr(getattr(unwrapped(runner.model), 'head', None), 'teacher', None)
        if getattr(teacher, 'kept', None) is None:
            return
        dataset = runner.train_dataloader.dataset
        paths = [dataset.get_data_info(i)['img_path'] for i in range(len(dataset))]
        teacher.prepare(paths, next(runner.model.parameters()).device)
        runner.visualizer.add_scalar(SECONDS, teacher.kept.seconds(paths))
