"""The runs of a study, each by the tool that a user would call, in folders of their own."""

import copy
import json
import os
import pprint
import shlex
import statistics
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from rich.progress import Progress

from mmgreen.config import load_config
from mmgreen.errors import UserError
from mmgreen.files import write_whole

from .labels import write_subset
from .plan import Plan, Start, Training
from .schedule import set_steps

_TOOLS = Path(__file__).resolve().parent.parent / '.mim/tools'
#: The config of a run, as it was given to the tools.
#: Where mmengine does not write the config that it completed, which is the work dir.
CONFIG = 'config/cell.py'
#: What nearest neighbours find.
NEIGHBOURS = 'neighbours.json'
#: What says that a cell is done, and what it has found.
DONE = 'done.json'
# Steps of the run that a budget in minutes is measured by, and those that are left out of it.
_PACE, _BEGIN = 80, 30


@dataclass(frozen=True)
class Job:
    """A part of a study that runs by itself.

    Attributes:
        folder: What it writes; it is done once :data:`DONE` is there.
        run: Does it, if it is not done.
        needs: Folders of jobs that have to be done before.
    """

    folder: Path
    run: Callable[[], None]
    needs: tuple[Path, ...] = ()


def run_plan(plan: Plan, jobs: int = 1) -> None:
    """Run what is not done yet.

    Args:
        plan: The study.
        jobs: Runs at a time. Each has one GPU, where there are some, and its share of the CPU's
            threads, unless ``OMP_NUM_THREADS`` says how many. Budgets in minutes are measured
            before, one by one.

    Raises:
        UserError: If a run fails, after those beside it; what is done stays. If something was
            run with other settings than the study has now.
        KeyboardInterrupt, SystemExit: After the runs in progress have ended. They are asked to
            save first; Ctrl-C in a terminal reaches them, too, and leaves their last checkpoint.
    """
    runner = _Runner(plan, max(1, (os.cpu_count() or 1) // jobs))
    runner.run_all(runner.paces(), 1)
    runner.run_all(runner.jobs(), jobs)


def pace_folder(plan: Plan, start: Start) -> Path:
    """Where a budget in minutes is measured."""
    return plan.work_dir / 'pace' / start.name


def pretraining_folder(plan: Plan, start: Start, seed: int) -> Path:
    """Where a start's pre-training is."""
    return plan.work_dir / 'starts' / start.name / f'seed_{seed}'


def detector_folder(plan: Plan, start: Start, labels: int, seed: int) -> Path:
    """Where a detector is."""
    return plan.work_dir / 'detectors' / f'labels_{labels}' / start.name / f'seed_{seed}'


def classifier_folder(plan: Plan, start: Start, seed: int) -> Path:
    """Where what nearest neighbours find is."""
    return plan.work_dir / 'neighbours' / start.name / f'seed_{seed}'


def read_done(folder: Path) -> dict[str, Any]:
    """What a job that is done has found."""
    found: dict[str, Any] = json.loads((folder / DONE).read_text(encoding='utf-8'))
    return found


class _Runner:
    def __init__(self, plan: Plan, threads: int) -> None:
        self.plan = plan
        self.environment = {'OMP_NUM_THREADS': str(threads), **os.environ}
        self._gpus = _Gpus()
        self._running: set[subprocess.Popen] = set()
        self._ended = False
        starts = plan.every_start
        trainings = [start.training for start in starts] + [start.detector for start in starts]
        # Each read once, and before anything runs.
        self.configs = {
            id(training): load_config(training.config, training.cfg_options)
            for training in (*trainings, plan.classifier)
            if training
        }

    def paces(self) -> list[Job]:
        """Short runs that say how many steps a budget in minutes has."""
        return [
            Job(pace_folder(self.plan, start), partial(self._measure, start, start.training))
            for start in self.plan.every_start
            if start.training and start.training.minutes
        ]

    def jobs(self) -> list[Job]:
        """Everything else, in an order in which what is needed comes before."""
        plan = self.plan
        found = []
        for seed in plan.seeds:
            for start in plan.every_start:
                if start.training:
                    found.append(
                        Job(
                            pretraining_folder(plan, start, seed),
                            partial(self._pretrain, start, start.training, seed),
                            self._needs(start.init, seed),
                        )
                    )
            for start in plan.starts.values():
                needs = self._needs(start, seed)
                if plan.classifier:
                    run = partial(self._classify, start, plan.classifier, seed)
                    found.append(Job(classifier_folder(plan, start, seed), run, needs))
                if start.detector:
                    for labels in plan.labels:
                        run = partial(self._detect, start, start.detector, labels, seed)
                        found.append(Job(detector_folder(plan, start, labels, seed), run, needs))
        return found

    def run_all(self, jobs: list[Job], at_once: int) -> None:
        """Run each job after those it needs; those that are done see that they are."""
        waiting = list(jobs)
        finished: set[Path] = set()
        running: dict[Future[None], Job] = {}
        with Progress() as progress, ThreadPoolExecutor(at_once) as pool:
            bar = progress.add_task('Runs', total=len(jobs))
            try:
                while waiting or running:
                    ready = [job for job in waiting if finished.issuperset(job.needs)]
                    for job in ready[: at_once - len(running)]:
                        waiting.remove(job)
                        running[pool.submit(job.run)] = job
                    done, _ = wait(running, return_when=FIRST_COMPLETED)
                    for future in done:
                        job = running.pop(future)
                        future.result()
                        finished.add(job.folder)
                        progress.update(bar, advance=1)
                        progress.console.print(f'done: {job.folder}', soft_wrap=True)
            except (KeyboardInterrupt, SystemExit):
                # A tool that went on by itself would be in the way of the study's next call.
                self._ended = True
                for tool in list(self._running):
                    tool.terminate()
                raise

    def _needs(self, start: Start | None, seed: int) -> tuple[Path, ...]:
        if not start or not start.origin.training:
            return ()
        return (pretraining_folder(self.plan, start.origin, seed),)

    def _measure(self, start: Start, training: Training) -> None:
        folder = pace_folder(self.plan, start)
        cfg = self._config(training, _PACE, seed=0)
        cfg.default_hooks.logger.interval = 1
        cfg.custom_hooks = []
        if self._is_done(folder, cfg):
            return
        self._train(folder)
        rows = [
            json.loads(row)
            for file in sorted(folder.glob('*/vis_data/scalars.json'))
            for row in file.read_text(encoding='utf-8').splitlines()
        ]
        step = statistics.median(row['time'] for row in rows if row['step'] > _BEGIN)
        self._finish(folder, step_seconds=step)

    def _steps(self, start: Start, training: Training) -> int | None:
        if training.minutes:
            step = read_done(pace_folder(self.plan, start))['step_seconds']
            return max(1, round(60 * training.minutes / step))
        return training.steps

    def _checkpoint(self, start: Start, seed: int) -> str | None:
        origin = start.origin
        if origin.training:
            return read_done(pretraining_folder(self.plan, origin, seed))['checkpoint']
        return origin.checkpoint

    def _config(self, training: Training, steps: int | None, seed: int) -> Config:
        cfg = copy.deepcopy(self.configs[id(training)])
        if steps:
            set_steps(cfg, steps)
        cfg.randomness = dict(cfg.get('randomness') or {}, seed=seed)
        return cfg

    def _start_from(self, cfg: Config, start: Start, seed: int) -> None:
        checkpoint = self._checkpoint(start, seed)
        cfg.model.backbone.init_cfg = (
            dict(type='Pretrained', checkpoint=checkpoint) if checkpoint else None
        )

    def _pretrain(self, start: Start, training: Training, seed: int) -> None:
        folder = pretraining_folder(self.plan, start, seed)
        cfg = self._config(training, self._steps(start, training), seed)
        if start.init:
            self._start_from(cfg, start.init, seed)
        if not self._is_done(folder, cfg):
            self._train(folder)
            self._finish(folder, checkpoint=_last(folder))

    def _detect(self, start: Start, training: Training, labels: int, seed: int) -> None:
        folder = detector_folder(self.plan, start, labels, seed)
        cfg = self._config(training, training.steps, seed)
        self._start_from(cfg, start, seed)
        cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None  # tested below
        dataset = cfg.train_dataloader.dataset
        whole = Path(dataset.get('data_root') or '', dataset.ann_file)
        part = self.plan.work_dir / 'labels' / f'{labels}_seed_{seed}.json'
        write_subset(whole, labels, seed, part)
        dataset.ann_file = str(part.resolve())
        if self._is_done(folder, cfg):
            return
        self._train(folder)
        checkpoint = _last(folder)
        self._call(
            *(folder, 'test.py', folder / CONFIG, checkpoint, '--work-dir', folder / 'test'),
            '--no-report',
        )
        self._finish(folder, checkpoint=checkpoint)

    def _classify(self, start: Start, training: Training, seed: int) -> None:
        folder = classifier_folder(self.plan, start, seed)
        cfg = self._config(training, None, seed)
        self._start_from(cfg, start, seed)
        if self._is_done(folder, cfg):
            return
        self._call(folder, 'analysis/knn.py', folder / CONFIG, '--out', folder / NEIGHBOURS)
        self._finish(folder)

    def _is_done(self, folder: Path, cfg: Config) -> bool:
        """Whether an earlier call finished a run; its config is written where it is not begun.

        Raises:
            UserError: If it was begun with other settings.
        """
        path, text = folder / CONFIG, _text(cfg)
        begun = (folder / DONE).is_file() or (folder / 'last_checkpoint').is_file()
        if begun and not (path.is_file() and path.read_text(encoding='utf-8') == text):
            raise UserError(
                f'{path} has other settings than the study has now: remove its folder to run it '
                'again, or name another work_dir'
            )
        write_whole(path, text)
        return (folder / DONE).is_file()

    def _train(self, folder: Path) -> None:
        """Train, going on where an earlier call was ended."""
        self._call(folder, 'train.py', folder / CONFIG, '--work-dir', folder, '--resume')

    def _call(self, folder: Path, tool: str, *arguments: object) -> None:
        command = [sys.executable, '-u', str(_TOOLS / tool), *map(str, arguments)]
        log = folder / f'{Path(tool).stem}.log'
        print(f'begun: {log}')
        with self._gpus.taken() as gpu, open(log, 'a', encoding='utf-8') as file:
            file.write(f'$ {shlex.join(command)}\n')
            file.flush()
            environment = self.environment | gpu
            with subprocess.Popen(command, stdout=file, stderr=file, env=environment) as run:
                self._running.add(run)
                if self._ended:
                    run.terminate()
            self._running.remove(run)
        if run.returncode:
            last = log.read_text(encoding='utf-8', errors='replace').strip().splitlines()[-1]
            raise UserError(f'{tool} failed, see {log}: {last}')

    def _finish(self, folder: Path, **found: object) -> None:
        write_whole(folder / DONE, json.dumps(found, indent=1))


class _Gpus:
    """The GPUs that this process sees, shared evenly among the tools that run."""

    def __init__(self) -> None:
        number = torch.cuda.device_count()
        seen = os.environ.get('CUDA_VISIBLE_DEVICES') or ','.join(map(str, range(number)))
        self._tools = {name.strip(): 0 for name in seen.split(',')[:number]}
        self._lock = threading.Lock()

    @contextmanager
    def taken(self) -> Iterator[dict[str, str]]:
        """Environment of a tool that has the GPU with the fewest others; empty without GPUs."""
        if not self._tools:
            yield {}
            return
        with self._lock:
            gpu = min(self._tools, key=self._tools.__getitem__)
            self._tools[gpu] += 1
        try:
            yield {'CUDA_VISIBLE_DEVICES': gpu}
        finally:
            with self._lock:
                self._tools[gpu] -= 1


def _text(cfg: Config) -> str:
    """A config as a file; mmengine's own way to write one takes half a second."""
    return '\n'.join(
        f'{key} = {pprint.pformat(value, width=100, sort_dicts=False)}\n'
        for key, value in cfg.to_dict().items()
    )


def _last(folder: Path) -> str:
    return (folder / 'last_checkpoint').read_text().strip()
