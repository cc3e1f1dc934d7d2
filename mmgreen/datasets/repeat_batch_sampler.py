"""Several crops of each image that is decoded."""

from collections.abc import Iterator
from itertools import islice

from torch.utils.data import Sampler

from mmgreen.registry import DATA_SAMPLERS


@DATA_SAMPLERS.register_module()
class RepeatBatchSampler(Sampler[list[int]]):
    """Batches in which every image is there several times, one after the other.

    So each is read and decoded once for several crops of it (repeated augmentation: `Hoffer et al.
    <https://arxiv.org/abs/1901.09335>`_; `MAE for video <https://arxiv.org/abs/2205.09113>`_,
    section 4). An epoch is as many crops as there are images, as those papers count, and shows so
    many times fewer of them: steps and schedule of a recipe stay as they are.
    ``train_dataloader.repeats`` sets it.

    Args:
        sampler: Sampler of the images, in the order of an epoch.
        batch_size: Crops in a batch.
        repeats: Crops of each image; it divides ``batch_size``.
        drop_last: Whether an epoch ends before a batch that its crops do not fill.
    """

    def __init__(
        self, sampler: Sampler[int], batch_size: int, repeats: int, drop_last: bool = False
    ) -> None:
        self.sampler = sampler
        self.batch_size = batch_size
        self.repeats = repeats
        self.drop_last = drop_last

    def __iter__(self) -> Iterator[list[int]]:
        images = iter(self.sampler)
        for _ in range(len(self)):
            drawn = list(islice(images, self.batch_size // self.repeats))
            yield [index for index in drawn for _ in range(self.repeats)]

    def __len__(self) -> int:
        full, more = divmod(len(self.sampler), self.batch_size)  # type: ignore[arg-type]
        return full + bool(more and not self.drop_last)
