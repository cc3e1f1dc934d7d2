"""Batches that can be resumed at any step, even where worker processes die."""

import logging
import signal
import threading
from collections import Counter, deque
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from itertools import count, islice
from typing import Any

from mmengine.logging import print_log
from torch.utils.data import DataLoader, Dataset

from mmgreen.errors import UserError

from .randomness import seed_all

#: How often worker processes may die at one step before the run is given up.
ATTEMPTS = 3

# How PyTorch's messages begin where no dataset is at fault.
_DEATHS = ('DataLoader worker (pid', 'DataLoader timed out')

_LOADING = (
    'num_workers',
    'collate_fn',
    'pin_memory',
    'timeout',
    'worker_init_fn',
    'multiprocessing_context',
    'generator',
    'prefetch_factor',
    'persistent_workers',
)


class ResumableLoader(DataLoader):
    """A dataloader whose batches follow from seed, step and sampler alone.

    Before a sample is loaded, all random generators are seeded from (seed, step
    of training, index of the sample, how often the batch had it before). So its
    augmentation is the same in whichever worker or process it is loaded, and
    whatever was loaded before: training goes on in the middle of an epoch as if
    it had never stopped. A worker process that dies is replaced, and its samples
    are loaded once more. One iteration goes on over all epochs, so that the first
    batches of the next one are loaded while the last ones are trained on.

    Args:
        loader: Dataset, batches and all other settings.
        seed: Seed of the run; the same in all its processes. The sampler's, too.

    Raises:
        UserError: While iterating, if workers have died three times at a step.
    """

    def __init__(self, loader: DataLoader, seed: int) -> None:
        settings = {name: getattr(loader, name) for name in _LOADING}
        super().__init__(loader.dataset, batch_sampler=loader.batch_sampler, **settings)
        sampler = self.batch_sampler.sampler
        if hasattr(sampler, 'seed'):
            sampler.seed = seed
        self._seed = seed
        self._settings = settings
        self._draws = _Draws()
        self._loading: DataLoader | None = None
        self._batches: Iterator[Any] | None = None
        self.seek()

    def seek(
        self, batches: int = 0, step: int = 0, epoch: int = 0, until: int | None = None
    ) -> None:
        """Set where the next iteration begins and ends.

        Args:
            batches: Batches of the epoch to pass over, and of those after it where it has
                fewer. They are drawn, but not loaded.
            step: Number of the training step that the first batch is for.
            epoch: Number of the epoch.
            until: Number of the step before which it ends; by default it does not.
        """
        self._start = batches, step, epoch, until

    def close(self) -> None:
        """Let the worker processes go, at once.

        Left to Python's garbage collection they would stay as long as a
        traceback knows of them, and be waited for at any moment later.
        """
        for iterator in (self._batches, getattr(self._loading, '_iterator', None)):
            if hasattr(iterator, '_shutdown_workers'):
                iterator._shutdown_workers()
        self._loading = self._batches = None

    def __iter__(self) -> Generator[Any, None, None]:
        batches, step, epoch, until = self._start
        numbers = count(step) if until is None else range(step, until)
        steps = zip(numbers, islice(self._drawn(epoch), batches, None), strict=False)
        pending: deque[tuple[int, list[int]]] = deque()
        deaths = 0
        done = False
        try:
            while not done:
                self._draws.begin(pending, steps)
                try:
                    for batch in self._load():
                        pending.popleft()
                        deaths = 0
                        yield batch
                    done = True
                except (RuntimeError, EOFError, ConnectionError) as error:
                    if not _is_death(error):
                        raise
                    deaths += 1
                    self._replace_workers(pending[0][0] if pending else step, deaths, error)
        finally:
            if not done:  # whoever iterates has stopped, or failed: no worker is to stay
                self.close()

    def _replace_workers(self, step: int, deaths: int, error: Exception) -> None:
        self.close()
        reason = (str(error) or type(error).__name__).splitlines()[0]
        if deaths == ATTEMPTS:
            raise UserError(
                f'worker processes of the dataloader have died {ATTEMPTS} times at step {step + 1}, '
                f'the last time with: {reason}: lower num_workers if memory is short '
                '(train_dataloader.num_workers)'
            ) from error
        print_log(
            f'A worker process of the dataloader has died before step {step + 1}; others take its '
            f'place ({reason})',
            logger='current',
            level=logging.WARNING,
        )

    def _drawn(self, epoch: int) -> Iterator[list[int]]:
        sampler = self.batch_sampler.sampler
        if hasattr(sampler, 'skip'):  # mmengine's InfiniteSampler goes on where it was left
            sampler.skip(0)
        for number in count(epoch):
            if hasattr(sampler, 'set_epoch'):
                sampler.set_epoch(number)
            yield from self.batch_sampler

    def _load(self) -> Iterator[Any]:
        if self._loading is None:
            dataset = _SeededDataset(self.dataset, self._seed)
            self._loading = DataLoader(dataset, batch_sampler=self._draws, **self._settings)
        with _default_child_signal():
            self._batches = iter(self._loading)
        yield from self._batches


def _is_death(error: Exception) -> bool:
    """Whether a worker died, and its dataset is not at fault."""
    if isinstance(error, RuntimeError):
        return str(error).startswith(_DEATHS)
    return not str(error).startswith('Caught ')  # else the pipe to it broke


class _Draws:
    """What is to be loaded: (step, index, ...) of each sample, batch by batch."""

    def begin(self, pending: deque, steps: Iterator[tuple[int, list[int]]]) -> None:
        """Set the batches: those drawn before and not delivered, then new ones."""
        self._pending, self._steps = pending, steps

    def __iter__(self) -> Iterator[list[tuple[int, ...]]]:
        for step, batch in tuple(self._pending):
            yield _places(step, batch)
        for step, batch in self._steps:
            self._pending.append((step, batch))
            yield _places(step, batch)


def _places(step: int, batch: list[int]) -> list[tuple[int, ...]]:
    """(step, index), and for an index that the batch had before, how often it had it."""
    before: Counter[int] = Counter()
    places: list[tuple[int, ...]] = []
    for index in batch:
        places.append((step, index, before[index]) if before[index] else (step, index))
        before[index] += 1
    return places


class _SeededDataset(Dataset):
    """A dataset that is asked with a step, an index and more, and seeds itself from them."""

    def __init__(self, dataset: Dataset, seed: int) -> None:
        self._dataset, self._seed = dataset, seed

    def __getitem__(self, place: tuple[int, ...]) -> Any:
        seed_all(self._seed, *place)
        return self._dataset[place[1]]


@contextmanager
def _default_child_signal() -> Iterator[None]:
    """Keep PyTorch from raising the death of a worker anywhere in the main process.

    Its signal handler does, in the middle of a step if need be. Without it, a
    death is seen where the batch is waited for, within seconds.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.getsignal(signal.SIGCHLD)
    yield
    signal.signal(signal.SIGCHLD, previous if previous is not None else signal.SIG_DFL)
