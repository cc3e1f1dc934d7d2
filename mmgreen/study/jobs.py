"""The runs of a study: their configs, what they need, and when they are done."""

import copy
import json
import os
import pprint
import statistics
from functools import partial
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmgreen.config import around_backbone, load_config, parts, set_steps
from mmgreen.engine.hooks import SECONDS
from mmgreen.errors import UserError
from mmgreen.files import write_whole

from .folders import (
    CHOSEN,
    CONFIG,
    DONE,
    chosen_folder,
    classifier_folder,
    detector_folder,
    detector_pace_folder,
    pace_folder,
    pretraining_folder,
    read_done,
)
from .labels import write_rest, write_subset
from .plan import Chooser, Plan, Start, Task
from .processes import Job, Processes
from .schedule import end_where_nothing_is_gained

# Steps of the run that a budget in minutes is measured by, and those that are left out of it.
_PACE, _BEGIN = 80, 30
# Steps without which a detector is none.
_FEWEST = 10
# AP of what is as good as the best.
_NEAR = 0.01


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
    processes = Processes(max(1, (os.cpu_count() or 1) // jobs))
    parts = _Parts(plan, processes)
    processes.run_all(parts.paces(), 1)
    processes.run_all(parts.jobs(), jobs)


class _Parts:
    """What a study is made of, as jobs.

    Args:
        plan: The study.
        processes: What runs them.
    """

    def __init__(self, plan: Plan, processes: Processes) -> None:
        self.plan, self._processes = plan, processes
        starts = plan.every_start
        tasks = [task for start in starts for task in (start.training, start.detector)]
        # Each read once, and before anything runs.
        self.configs = {
            id(task): load_config(task.config, task.cfg_options)
            for task in (*tasks, plan.classifier)
            if task
        }

    def paces(self) -> list[Job]:
        """Short runs that say how many steps a budget in minutes has."""
        plan = self.plan
        budgets = [
            s for s in plan.every_start if self._labels(s) and s.detector and s.detector.minutes
        ]
        wanted = {
            pace_folder(plan, start): start.training
            for start in plan.every_start
            if start.training and (start.training.minutes or budgets)
        } | {detector_pace_folder(plan, start): start.detector for start in budgets}
        return [
            Job(folder, partial(self._measure, folder, task))
            for folder, task in wanted.items()
            if task
        ]

    def jobs(self) -> list[Job]:
        """Everything else: seed by seed, and start by start with all that is trained from it."""
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
                needs = self._needs(start, seed)
                if plan.classifier and start.name in plan.starts:
                    run = partial(self._classify, start, plan.classifier, seed)
                    found.append(Job(classifier_folder(plan, start, seed), run, needs))
                for labels in self._labels(start):
                    before = needs
                    if start.choose:
                        found.append(self._choosing(start, start.choose, labels, seed))
                        before = (*needs, found[-1].folder)
                    run = partial(self._detect, start, labels, seed)
                    found.append(Job(detector_folder(plan, start, labels, seed), run, before))
        return found

    def _labels(self, start: Start) -> list[int]:
        """Numbers of labelled images that detectors of a start are trained on, to be compared or to choose others."""
        plan = self.plan
        if not start.detector:
            return []
        found = set(plan.labels if start.name in plan.starts else ())
        choosers = [each.choose for each in plan.starts.values() if each.choose]
        found |= {chooser.labels for chooser in choosers if chooser.by.name == start.name} - {0}
        return sorted(found)

    def _choosing(self, start: Start, chooser: Chooser, labels: int, seed: int) -> Job:
        needs = self._needs(chooser.by, seed)
        if chooser.labels:
            needs = (*needs, detector_folder(self.plan, chooser.by, chooser.labels, seed))
        run = partial(self._choose, start, chooser, labels, seed)
        return Job(chosen_folder(self.plan, start, labels, seed), run, needs)

    def _needs(self, start: Start | None, seed: int) -> tuple[Path, ...]:
        if not start or not start.origin.training:
            return ()
        return (pretraining_folder(self.plan, start.origin, seed),)

    def _measure(self, folder: Path, task: Task) -> None:
        cfg = self._config(task, _PACE, seed=0)
        cfg.default_hooks.logger.interval = 1
        cfg.custom_hooks = []
        cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
        around_backbone(cfg.model).backbone.init_cfg = None
        if self._is_done(folder, cfg):
            return
        self._processes.call(folder, 'train')
        rows = _scalars(folder)
        step = statistics.median(
            row['time'] for row in rows if row['step'] > _BEGIN and 'time' in row
        )
        before = max((row[SECONDS] for row in rows if SECONDS in row), default=0.0)
        self._finish(folder, step_seconds=step, before_seconds=before)

    def _steps(self, start: Start, task: Task) -> int | None:
        if task.minutes:
            pace = read_done(pace_folder(self.plan, start))
            left = 60 * task.minutes - pace.get('before_seconds', 0.0)
            if left <= 0:
                raise UserError(
                    f'start {start.name} has {task.minutes:g} minutes, and its teacher needs '
                    f'{pace["before_seconds"] / 60:.1f} to see all images: give it more, or leave '
                    'model.head.teacher.keep out'
                )
            return max(1, round(left / pace['step_seconds']))
        return task.steps

    def _seconds(self, start: Start | None) -> float:
        """What the pre-trainings of a start take, those before it included."""
        if start is None:
            return 0.0
        own = 0.0
        if start.training and start.training.minutes:
            own = 60 * start.training.minutes
        elif start.training:
            pace = read_done(pace_folder(self.plan, start))
            steps = start.training.steps or self.configs[id(start.training)].train_cfg.max_iters
            own = pace.get('before_seconds', 0.0) + steps * pace['step_seconds']
        return own + self._seconds(start.init)

    def _detector_steps(self, start: Start, task: Task) -> int | None:
        if not task.minutes:
            return task.steps
        pace = read_done(detector_pace_folder(self.plan, start))
        before = self._seconds(start)
        steps = round((60 * task.minutes - before) / pace['step_seconds'])
        if steps < _FEWEST:
            raise UserError(
                f'start {start.name} has {task.minutes:g} minutes in all, of which its pre-training takes '
                f'{before / 60:.1f}: {max(0, steps)} steps are left for the detector; give it more'
            )
        return steps

    def _checkpoint(self, start: Start, seed: int) -> str | None:
        origin = start.origin
        if origin.training:
            return read_done(pretraining_folder(self.plan, origin, seed))['checkpoint']
        return origin.checkpoint

    def _config(self, task: Task, steps: int | None, seed: int) -> Config:
        cfg = copy.deepcopy(self.configs[id(task)])
        if steps:
            set_steps(cfg, steps)
            if cfg.train_cfg.get('val_interval'):
                cfg.train_cfg.val_interval = steps
        cfg.randomness = dict(cfg.get('randomness') or {}, seed=seed)
        return cfg

    def _start_from(self, cfg: Config, start: Start, seed: int) -> None:
        checkpoint = self._checkpoint(start, seed)
        around_backbone(cfg.model).backbone.init_cfg = (
            dict(type='Pretrained', checkpoint=checkpoint) if checkpoint else None
        )

    def _pretrain(self, start: Start, task: Task, seed: int) -> None:
        folder = pretraining_folder(self.plan, start, seed)
        cfg = self._config(task, self._steps(start, task), seed)
        if start.init:
            self._start_from(cfg, start.init, seed)
        if not self._is_done(folder, cfg):
            self._processes.call(folder, 'train')
            self._finish(folder, checkpoint=_last(folder))

    def _choose(self, start: Start, chooser: Chooser, labels: int, seed: int) -> None:
        folder, by = chosen_folder(self.plan, start, labels, seed), chooser.by
        if by.detector is None or start.detector is None:
            return
        cfg = self._config(by.detector, None, seed)
        self._start_from(cfg, by, seed)
        _, dataset = next(parts(cfg.train_dataloader.dataset))
        whole = _annotations(dataset)
        held = self._held_out(whole, start.detector, seed)
        dataset.ann_file = str(self._drawn(whole, chooser.labels, held, seed).resolve())
        if self._is_done(folder, cfg):
            return
        checkpoint = ''
        if chooser.labels:
            trained = detector_folder(self.plan, by, chooser.labels, seed)
            checkpoint = read_done(trained)['checkpoint']
        self._processes.call(folder, 'choose', checkpoint, whole, labels, held or '')
        self._finish(folder)

    def _held_out(self, whole: Path, task: Task, seed: int) -> Path | None:
        """Labelled images by which a detector's end is seen."""
        if not task.until:
            return None
        held = self.plan.work_dir / 'labels' / f'held_{task.until.images}_seed_{seed}.json'
        write_subset(whole, task.until.images, seed, held)
        return held

    def _drawn(self, whole: Path, labels: int, held: Path | None, seed: int) -> Path:
        """Labelled images, drawn at random."""
        name = f'{labels}_but_{held.name}' if held else f'{labels}_seed_{seed}.json'
        part = self.plan.work_dir / 'labels' / name
        write_subset(whole, labels, seed, part, held)
        return part

    def _detect(self, start: Start, labels: int, seed: int) -> None:
        folder, task = detector_folder(self.plan, start, labels, seed), start.detector
        assert task is not None
        cfg = self._config(task, self._detector_steps(start, task), seed)
        self._start_from(cfg, start, seed)
        validates = cfg.val_cfg
        cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None  # tested below
        datasets = [dataset for _, dataset in parts(cfg.train_dataloader.dataset)]
        whole = _annotations(datasets[0])
        watched, held = None, self._held_out(whole, task, seed)
        if task.until and held:
            watched = end_where_nothing_is_gained(cfg, task.until, held)
            cfg.val_cfg = validates or dict(type='ValLoop')
        if start.choose:
            part = chosen_folder(self.plan, start, labels, seed) / CHOSEN
        else:
            part = self._drawn(whole, labels, held, seed)
        for other in datasets[1:]:
            # Images whose labels are left aside are those that the others do not have.
            if other.get('ann_file') and _annotations(other) == whole:
                rest = part.with_name(f'but_{part.name}')
                write_rest(whole, [part, *([held] if held else [])], rest)
                other.ann_file = str(rest.resolve())
        datasets[0].ann_file = str(part.resolve())
        if self._is_done(folder, cfg):
            return
        self._processes.call(folder, 'train')
        checkpoint = _best(folder) if watched else _last(folder)
        self._processes.call(folder, 'test', checkpoint)
        end = _end(folder, watched) if watched else {}
        self._finish(folder, checkpoint=checkpoint, **end)

    def _classify(self, start: Start, task: Task, seed: int) -> None:
        folder = classifier_folder(self.plan, start, seed)
        cfg = self._config(task, None, seed)
        self._start_from(cfg, start, seed)
        if self._is_done(folder, cfg):
            return
        self._processes.call(folder, 'knn')
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

    def _finish(self, folder: Path, **found: object) -> None:
        write_whole(folder / DONE, json.dumps(found, indent=1))


def _text(cfg: Config) -> str:
    """A config as a file; mmengine's own way to write one takes half a second."""
    return '\n'.join(
        f'{key} = {pprint.pformat(value, width=100, sort_dicts=False)}\n'
        for key, value in cfg.to_dict().items()
    )


def _annotations(dataset: Any) -> Path:
    return Path(dataset.get('data_root') or '', dataset.ann_file)


def _best(folder: Path) -> str:
    return str(max(folder.glob('best_*.pth'), key=lambda path: path.stat().st_mtime))


def _end(folder: Path, watched: str) -> dict[str, Any]:
    """Steps of a training that went to its end, those to within a point of AP of its best, and the AP of each."""
    rows = _scalars(folder)
    curve = {row['step']: row[watched] for row in rows if watched in row}
    best = max(curve.values())
    near = min(step for step, ap in curve.items() if ap >= best - _NEAR)
    return dict(steps=max(curve), near=near, curve=sorted(curve.items()))


def _scalars(folder: Path) -> list[dict]:
    return [
        json.loads(row)
        for file in sorted(folder.glob('*/vis_data/scalars.json'))
        for row in file.read_text(encoding='utf-8').splitlines()
    ]


def _last(folder: Path) -> str:
    return (folder / 'last_checkpoint').read_text().strip()
