"""mmengine's checkpoints, from which training goes on as if it had never stopped."""

import logging
import os
import os.path as osp
from collections import deque
from pathlib import Path
from typing import Any

import mmengine.hooks
from mmengine.dist import all_gather_object, get_rank, get_world_size, is_main_process
from mmengine.logging import print_log
from mmengine.optim import OptimWrapper
from mmengine.runner import EpochBasedTrainLoop, Runner

from mmgreen.checkpoints import keep_threshold
from mmgreen.engine.optimizers import merge_checkpoint
from mmgreen.engine.runner.ignored import ignored_settings
from mmgreen.engine.runner.randomness import random_state, set_random_state
from mmgreen.engine.runner.rescaling import rescale_steps
from mmgreen.errors import UserError
from mmgreen.files import write_whole
from mmgreen.registry import HOOKS

from .runtime_info_hook import RuntimeInfoHook

# Checkpoints between two regular ones, by name; in the message hub.
_INTERIM = 'interim_ckpts'


@HOOKS.register_module()
class CheckpointHook(mmengine.hooks.CheckpointHook):
    """mmengine's hook, whose checkpoints hold all that the next step depends on.

    Beside what mmengine saves: ``random_states``, those of Python, NumPy and
    PyTorch in every process, and ``position``, how many batches of the epoch
    (or of all, in iteration-based training) were trained on. What is done
    between two steps, validation and saving included, leaves the random states
    as they are.

    Files are written whole (:class:`AtomicBackend`). ``last_checkpoint`` names a
    new one when it is complete, and only then old ones are removed.
    ``mmgreen train`` uses it instead of mmengine's, and it has the same
    settings.

    Raises:
        UserError: If a checkpoint cannot be written; earlier ones are there.
    """

    _states: dict | None = None
    _gathered: list[dict] | None = None
    _batches = 0

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        if not runner._resume:
            return
        if isinstance(runner.optim_wrapper, OptimWrapper):  # one optimizer
            merge_checkpoint(checkpoint, len(runner.optim_wrapper.optimizer.param_groups))
        states = checkpoint.pop('random_states', [])
        if len(states) == get_world_size():
            self._states = states[get_rank()]
        position = checkpoint.pop('position', None)
        if position is None or len(states) != get_world_size():
            print_log(
                'The checkpoint was saved by another number of processes, or by another program: '
                'training goes on, but not with the very same random numbers.',
                logger='current',
            )
        if position is not None:
            loop = runner.train_loop
            before, now = position['total_batch_size'], self._total_batch_size(runner)
            loop.position = position['batches'] * before // now
            if before != now and isinstance(loop, EpochBasedTrainLoop):
                rescale_steps(runner, checkpoint, loop.position)
        for message in ignored_settings(runner, checkpoint):
            print_log(
                f"Resumed with the saved settings: {message}, and the checkpoint's is used; for a new run "
                'that starts from the weights, use load_from instead of resume',
                logger='current',
                level=logging.WARNING,
            )

    def before_train(self, runner: Runner) -> None:
        super().before_train(runner)
        self._states = self._states or random_state()
        if is_main_process() and '://' not in self.out_dir:
            for part in Path(self.out_dir).glob('*.pth.*.part'):  # of a save that was cut off
                part.unlink()
            if not runner.iter:
                _put_aside(Path(self.out_dir))

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        assert self._states is not None  # since before_train
        set_random_state(self._states)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        self._states = random_state()
        self._batches = batch_idx + 1
        super().after_train_iter(runner, batch_idx, data_batch, outputs)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        keep_threshold(checkpoint, runner.message_hub)
        if self._gathered is not None:  # not so in the best checkpoint, which nobody resumes
            checkpoint['random_states'] = self._gathered
            checkpoint['position'] = dict(
                batches=self._batches, total_batch_size=self._total_batch_size(runner)
            )

    def save_now(self, runner: Runner) -> None:
        """Save after a step, whatever the interval; all processes call it together.

        The checkpoint is removed when the next one is there.
        """
        step = runner.iter + 1
        name = f'iter_{step}.pth'
        if self.last_ckpt and osp.basename(self.last_ckpt) == name:  # just saved
            return
        interim = runner.message_hub.get_info(_INTERIM, [])
        runner.message_hub.update_info(_INTERIM, [*interim, name])
        self._save(runner, name, dict(epoch=runner.epoch, iter=step), by_epoch=False)
        self._remove_interim(runner, keep=[name])

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict) -> None:
        # Those to be removed are named in the new checkpoint, too: where a run is killed
        # before they are, the next one does it.
        kept = [kept for kept in getattr(self, 'keep_ckpt_ids', ()) if kept != step] + [step]
        if self.max_keep_ckpts > 0:
            runner.message_hub.update_info('keep_ckpt_ids', kept)
        if self.by_epoch:
            self._batches = 0  # of the next epoch
        self._save(runner, self.filename_tmpl.format(step), meta, by_epoch=self.by_epoch)
        if self.max_keep_ckpts > 0:
            for old in kept[: -self.max_keep_ckpts]:
                self._remove(self.filename_tmpl.format(old))
            self.keep_ckpt_ids = deque(kept[-self.max_keep_ckpts :])
        self._remove_interim(runner, keep=[])

    def _save(self, runner: Runner, name: str, meta: dict, by_epoch: bool) -> None:
        # Collective, and so not in before_save_checkpoint: the runner saves in one process.
        self._gathered = all_gather_object(self._states)
        for hook in runner.hooks:
            if isinstance(hook, RuntimeInfoHook):
                hook.flush(runner)  # the log's history is saved, too
        earlier = self.last_ckpt or (runner._load_from if runner._resume else None)
        self.last_ckpt = self.file_backend.join_path(self.out_dir, name)
        runner.message_hub.update_info('last_ckpt', self.last_ckpt)
        try:
            runner.save_checkpoint(
                self.out_dir,
                name,
                self.file_client_args,
                save_optimizer=self.save_optimizer,
                save_param_scheduler=self.save_param_scheduler,
                meta=meta,
                by_epoch=by_epoch,
                backend_args=self.backend_args,
                **self.args,
            )
            if is_main_process():
                write_whole(osp.join(runner.work_dir, 'last_checkpoint'), self.last_ckpt)
        except UserError as error:
            left = (
                f'{earlier} is sound, and --resume goes on from it' if earlier else 'none is there'
            )
            raise UserError(f'{error}; of the earlier checkpoints {left}') from error
        finally:
            self._gathered = None

    def _remove_interim(self, runner: Runner, keep: list[str]) -> None:
        for name in runner.message_hub.get_info(_INTERIM, []):
            if name not in keep and name != osp.basename(self.last_ckpt):
                self._remove(name)
        runner.message_hub.update_info(_INTERIM, keep)

    def _save_best_checkpoint(self, runner: Runner, metrics: dict) -> None:
        """Let mmengine save it, and give it a name without its step, in the place of the earlier best.

        mmengine removes first and saves then; a path that it does not know it leaves alone.
        """
        if not self.save_best:
            return
        single = hasattr(self, 'best_ckpt_path')
        paths: dict[str | None, str | None] = (
            {None: self.best_ckpt_path} if single else dict(self.best_ckpt_path_dict)
        )
        self._set_best(dict.fromkeys(paths))
        super()._save_best_checkpoint(runner, metrics)
        found: dict[str | None, str | None] = (
            {None: self.best_ckpt_path} if single else self.best_ckpt_path_dict
        )
        for key, earlier in paths.items():
            saved = found.get(key)
            if saved is None:
                found[key] = earlier
                continue
            measure = key or self.key_indicators[0]
            kept = osp.join(self.out_dir, f'best_{measure.replace("/", "_")}.pth')
            if '://' in self.out_dir:  # what lies in a store is not renamed
                kept = saved
            elif is_main_process():
                os.replace(saved, kept)
                print_log(f'It is kept as {kept}.', logger='current')
            found[key] = kept
            runner.message_hub.update_info(f'best_ckpt_{key}' if key else 'best_ckpt', kept)
            if earlier and earlier != kept:
                self._remove(osp.basename(earlier))
        self._set_best(found)

    def _set_best(self, paths: dict[str | None, str | None]) -> None:
        if None in paths:
            self.best_ckpt_path = paths[None]
        else:
            self.best_ckpt_path_dict = paths

    def _remove(self, name: str) -> None:
        path = self.file_backend.join_path(self.out_dir, name)
        if is_main_process() and self.file_backend.isfile(path):
            self.file_backend.remove(path)

    @staticmethod
    def _total_batch_size(runner: Runner) -> int:
        return runner.train_dataloader.batch_sampler.batch_size * get_world_size()


def _put_aside(folder: Path) -> None:
    """Move what an earlier training has saved, so that no new one is mixed with it or overwrites it."""
    found = [*folder.glob('*.pth'), *folder.glob('last_checkpoint')]
    if not found:
        return
    number = 1 + max((int(path.name[8:]) for path in folder.glob('earlier_[0-9]*')), default=0)
    aside = folder / f'earlier_{number}'
    aside.mkdir()
    for path in found:
        path.rename(aside / path.name)
    print_log(
        f'{folder} has checkpoints of an earlier training, which are in {aside} now; --resume would have gone on '
        'from the last one',
        logger='current',
        level=logging.WARNING,
    )
