"""Runs at a time, each in a process of its own that has a GPU and its share of the threads."""

import os
import shlex
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.progress import Progress

from mmgreen.errors import UserError

_WORKER = [sys.executable, '-u', '-m', 'mmgreen.study.worker']


@dataclass(frozen=True)
class Job:
    """A part of a study that runs by itself.

    Attributes:
        folder: What it writes.
        run: Does it, if it is not done.
        needs: Folders of jobs that have to be done before.
    """

    folder: Path
    run: Callable[[], None]
    needs: tuple[Path, ...] = ()


class Processes:
    """The processes of a study.

    Args:
        threads: Threads of each, unless ``OMP_NUM_THREADS`` says how many.
    """

    def __init__(self, threads: int) -> None:
        self._environment = {'OMP_NUM_THREADS': str(threads), **os.environ}
        self._gpus = _Gpus()
        self._running: set[subprocess.Popen] = set()
        self._ended = False

    def call(self, folder: Path, action: str, *arguments: object) -> None:
        """Do something in a process of its own, and wait for it.

        Args:
            folder: Folder of the run; what the process says is written there.
            action: One of :data:`mmgreen.study.worker.ACTIONS`.
            *arguments: More for it.

        Raises:
            UserError: If it fails.
        """
        command = [*_WORKER, action, *map(str, (folder, *arguments))]
        log = folder / f'{action}.log'
        print(f'begun: {log}')
        with self._gpus.taken() as gpu, open(log, 'a', encoding='utf-8') as file:
            file.write(f'$ {shlex.join(command)}\n')
            file.flush()
            environment = self._environment | gpu
            with subprocess.Popen(command, stdout=file, stderr=file, env=environment) as process:
                self._running.add(process)
                if self._ended:
                    process.terminate()
            self._running.remove(process)
        if process.returncode:
            last = log.read_text(encoding='utf-8', errors='replace').strip().splitlines()[-1]
            raise UserError(f'{action} failed, see {log}: {last}')

    def run_all(self, jobs: list[Job], at_once: int) -> None:
        """Run each job after those it needs; those that are done see that they are.

        Args:
            jobs: In an order in which what is needed comes before.
            at_once: Jobs at a time.
        """
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
                # A process that went on by itself would be in the way of the study's next call.
                self._ended = True
                for process in list(self._running):
                    process.terminate()
                raise


class _Gpus:
    """The GPUs that this process sees, shared evenly among those it starts."""

    def __init__(self) -> None:
        number = torch.cuda.device_count()
        seen = os.environ.get('CUDA_VISIBLE_DEVICES') or ','.join(map(str, range(number)))
        self._processes = {name.strip(): 0 for name in seen.split(',')[:number]}
        self._lock = threading.Lock()

    @contextmanager
    def taken(self) -> Iterator[dict[str, str]]:
        """Environment of a process that has the GPU with the fewest others; empty without GPUs."""
        if not self._processes:
            yield {}
            return
        with self._lock:
            gpu = min(self._processes, key=self._processes.__getitem__)
            self._processes[gpu] += 1
        try:
            yield {'CUDA_VISIBLE_DEVICES': gpu}
        finally:
            with self._lock:
                self._processes[gpu] -= 1
