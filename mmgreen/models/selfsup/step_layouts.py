"""The layouts of one training step after another, ready when their step begins."""

import logging
from collections.abc import Callable, Iterator

import torch
from mmengine.logging import print_log
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from mmgreen.sparse import Layout

#: What the layouts of a run depend on beside the step: seed, shape of the batch, device.
Key = tuple[int, torch.Size, torch.device]

#: Images with a mask each whose layouts take longer than a GPU's step.
MANY = 32


class StepLayouts:
    """Counts the steps, and has the layout of the next one built while the device works on this one.

    By default this process builds it, after the forward pass; ``workers`` do so several steps ahead. A batch
    of another size than the last one, as at the end of an epoch, is served here, and the workers go on with
    the usual size. If one dies, this process takes over for a step, and others are started.

    Args:
        layouts_for: From a batch of images, whose shape and device matter, to what makes the layout of a step
            on the CPU from its number, the same in any process.
        workers: Processes; None leaves the choice to device and batch: one for a GPU that has
            :data:`MANY` images or more a step, else none.

    Attributes:
        step: Number of the next step, 0 at first. A run that is resumed sets it (``mmgreen.LayoutHook``).
    """

    def __init__(
        self, layouts_for: Callable[[Tensor], Callable[[int], Layout]], workers: int | None = 0
    ) -> None:
        self.layouts_for, self.workers = layouts_for, workers
        self.step = 0
        self._ahead: tuple[int, Key, Layout] | None = None
        self._stream: tuple[Key, _Stream] | None = None
        self._last: Key | None = None

    def take(self, images: Tensor) -> Layout:
        """The layout of this step, on the device of its images (B, C, H, W)."""
        step, key, ahead = self.step, _key(images), self._ahead
        self.step, self._ahead = step + 1, None
        if ahead is not None and ahead[:2] == (step, key):
            return ahead[2]
        workers = self._workers_for(images)
        layout = self._of_workers(step, key, images, workers) if workers else None
        return (layout or self.layouts_for(images)(step)).to(images.device)

    def prepare(self, images: Tensor) -> None:
        """Build the layout of the next step, for such images. The device is busy with this one meanwhile."""
        if not self._workers_for(images):
            layout = self.layouts_for(images)(self.step).to(images.device)
            self._ahead = self.step, _key(images), layout

    def close(self) -> None:
        """End the processes."""
        self._stream = self._last = None

    def _workers_for(self, images: Tensor) -> int:
        if self.workers is not None:
            return self.workers
        return int(images.is_cuda and len(images) >= MANY)

    def _of_workers(self, step: int, key: Key, images: Tensor, workers: int) -> Layout | None:
        """What the workers have of a step; None where they have none yet."""
        again, self._last = key == self._last, key
        if self._stream is not None and self._stream[0] == key and self._stream[1].at <= step:
            try:
                return self._stream[1].take(step)
            except RuntimeError as error:  # by PyTorch's loader, of a worker that died
                print_log(
                    f'A process that builds layouts died, and another one is started: {error}',
                    logger='current',
                    level=logging.WARNING,
                )
                self._stream = None
        elif again or self._stream is None:  # of a size that stays
            self._stream = key, _Stream(self.layouts_for(images), step + 1, workers)
        return None


def _key(images: Tensor) -> Key:
    return torch.initial_seed(), images.shape, images.device


class _Stream(IterableDataset):
    """The layouts of one step after another from a step on, by other processes, which take turns."""

    def __init__(self, build: Callable[[int], Layout], first: int, workers: int) -> None:
        self.build, self.at = build, first
        self._first = first
        # Forked, so that nothing has to be pickled on the way there.
        loader = DataLoader(
            self, batch_size=None, num_workers=workers, multiprocessing_context='fork'
        )
        self._layouts = iter(loader)

    def __iter__(self) -> Iterator[tuple[Layout, Tensor]]:
        worker = get_worker_info()
        step = self._first + worker.id
        while True:
            # One tensor is one piece of shared memory; a layout by itself would be dozens.
            layout = self.build(step)
            packed = layout.pack()
            yield layout, packed
            step += worker.num_workers

    def take(self, step: int) -> Layout:
        """The layout of a step; those before it are passed over."""
        while self.at <= step:
            self.at += 1
            layout, packed = next(self._layouts)
        layout.unpack(packed)
        return layout
