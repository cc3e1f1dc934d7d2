"""Layouts of the next steps, built by other processes."""

from collections.abc import Callable, Iterator

from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from mmgreen.sparse import Layout


class LayoutStream(IterableDataset):
    """The layouts of one step after another, from a step on.

    Args:
        build: From the number of a step to its layout on the CPU; it may not depend on
            the process that calls it.
        first: Number of the first step.
        workers: Processes, which take turns.
    """

    def __init__(self, build: Callable[[int], Layout], first: int, workers: int) -> None:
        self.build, self.first = build, first
        # Forked, so that nothing has to be pickled on the way there.
        loader = DataLoader(
            self, batch_size=None, num_workers=workers, multiprocessing_context='fork'
        )
        self._layouts = iter(loader)

    def __iter__(self) -> Iterator[tuple[Layout, Tensor]]:
        worker = get_worker_info()
        step = self.first + worker.id
        while True:
            # One tensor is one piece of shared memory; a layout by itself would be dozens.
            layout = self.build(step)
            packed = layout.pack()
            yield layout, packed
            step += worker.num_workers

    def next(self) -> Layout:
        """The layout of the next step."""
        layout, packed = next(self._layouts)
        layout.unpack(packed)
        return layout
