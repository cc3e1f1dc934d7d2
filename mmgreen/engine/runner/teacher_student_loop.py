"""Validation of a teacher beside its student."""

from typing import Any

from mmengine.logging import print_log
from mmengine.runner import Runner, ValLoop

from mmgreen.errors import UserError
from mmgreen.registry import LOOPS

from .model import unwrapped

_NETS = ('teacher', 'student')
_MEASURES = ('coco/segm_mAP', 'coco/bbox_mAP')


@LOOPS.register_module()
class TeacherStudentValLoop(ValLoop):
    """Validates both nets of :class:`mmgreen.models.MeanTeacher`; the better one is what counts.

    Figures of both have ``teacher/`` or ``student/`` before their names, as in mmdet's loop of this name. The
    better one's have their usual names, too, so that ``save_best`` and ``EarlyStoppingHook`` go by them, and
    a test of the checkpoint takes this net. It is the one of higher AP of masks, or of boxes where there are
    no masks; of equals the teacher.

    Raises:
        UserError: If the model has no teacher.
    """

    def __init__(self, runner: Runner, *args: Any, **kwargs: Any) -> None:
        super().__init__(runner, *args, **kwargs)
        model = unwrapped(runner.model)
        if not hasattr(model, 'student_is_better'):
            raise UserError(
                'val_cfg.type mmgreen.TeacherStudentValLoop is for a model of type mmgreen.MeanTeacher, not '
                f"{type(model).__name__}: set it to 'ValLoop'"
            )

    def run(self) -> dict[str, float]:
        """Validate both."""
        self.runner.call_hook('before_val')
        self.runner.call_hook('before_val_epoch')
        self.runner.model.eval()
        model = unwrapped(self.runner.model)
        found = {}
        for net in _NETS:
            self.val_loss.clear()
            model.student_is_better.fill_(net == 'student')
            for i, batch in enumerate(self.dataloader):
                self.run_iter(i, batch)
            found[net] = self.evaluator.evaluate(len(self.dataloader.dataset))
        by = next((name for name in _MEASURES if name in found['teacher']), None)
        better = max(_NETS, key=lambda net: found[net][by]) if by else 'teacher'
        model.student_is_better.fill_(better == 'student')
        if by:
            figures = ', '.join(f'{net} {found[net][by]:.3f}' for net in _NETS)
            print_log(f'{by}: {figures}; a test takes the {better}', logger='current')
        metrics = dict(found[better])
        for net in _NETS:
            metrics |= {f'{net}/{name}': value for name, value in found[net].items()}
        self.runner.call_hook('after_val_epoch', metrics=metrics)
        self.runner.call_hook('after_val')
        return metrics
