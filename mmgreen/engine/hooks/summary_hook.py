"""What a training is, and how long it will take, for the person who started it."""

import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.runner import IterBasedTrainLoop, Runner

from mmgreen.config import around_backbone
from mmgreen.engine.runner.model import unwrapped
from mmgreen.registry import HOOKS

#: Steps that the length is told from, after those in which everything is slow.
FEW, FIRST = 10, 2


@HOOKS.register_module()
class SummaryHook(Hook):
    """Say in five lines what is trained, and after some steps how long that will take on this machine.

    ``mmgreen train`` adds it to every run. Environment and config are in the log file.
    """

    def before_train(self, runner: Runner) -> None:
        self._passed = 0
        model = unwrapped(runner.model)
        part = dict(around_backbone(runner.cfg.model).get('backbone') or {})
        parameters = sum(p.numel() for p in model.parameters() if p.requires_grad)
        loader = runner.train_dataloader
        batch = loader.batch_sampler.batch_size
        if isinstance(runner.train_loop, IterBasedTrainLoop):
            length = f'{runner.max_iters:,} steps'
        else:
            length = f'{runner.max_epochs:,} epochs, {runner.max_iters:,} steps'
        where = 'GPU' if torch.cuda.is_available() else f'CPU, threads: {torch.get_num_threads()}'
        runner.logger.info(
            f'Trains {type(model).__name__} with {part.get("type", "no backbone")}: '
            f'{parameters / 1e6:.1f} million parameters\n'
            f'  start    {_start(runner, part)}\n'
            f'  data     {len(loader.dataset):,} images\n'
            f'  length   {length} of {batch * runner.world_size} images\n'
            f'  device   {where}{f", processes: {runner.world_size}" if runner.world_size > 1 else ""}\n'
            f'  results  {runner.work_dir}; config and environment: {_log_file(runner)}'
        )

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        self._passed += 1
        if self._passed == FIRST:
            self._begun = time.perf_counter()
        if self._passed != FIRST + FEW:
            return
        pace = (time.perf_counter() - self._begun) / FEW
        left = runner.max_iters - runner.iter - 1
        took = timedelta(seconds=max(1, round(left * pace)))
        text = f'{left} more steps of {pace:.2g} s: about {took}'
        if validations := _validations(runner):
            text += f', and what {validations} validation{"s" * (validations > 1)} take'
        runner.logger.info(text)


def _start(runner: Runner, backbone: dict[str, Any]) -> str:
    given: Any = backbone.get('init_cfg')
    checkpoint = given.get('checkpoint') if isinstance(given, dict) else None
    checkpoint = checkpoint or backbone.get('checkpoint')
    if runner._resume:
        return f'goes on after step {runner.iter:,}'
    if runner._load_from:
        return f'from {runner._load_from}'
    if checkpoint:
        return f'backbone from {checkpoint}'
    timm = str(backbone.get('type')).endswith('TimmBackbone')
    if timm and backbone.get('checkpoint') is None:  # '' leaves it as it is drawn
        return f'backbone with the weights that {backbone.get("model")} comes with'
    return 'from scratch'


def _validations(runner: Runner) -> int:
    """How many are still to come."""
    loop: Any = runner.train_loop
    if runner.val_loop is None or not loop.val_interval:
        return 0
    by_steps = isinstance(loop, IterBasedTrainLoop)
    done = runner.iter if by_steps else runner.epoch
    whole = runner.max_iters if by_steps else runner.max_epochs
    return int(-(-whole // loop.val_interval) - done // loop.val_interval)


def _log_file(runner: Runner) -> str:
    return str(Path(runner.log_dir, f'{runner.timestamp}.log'))
