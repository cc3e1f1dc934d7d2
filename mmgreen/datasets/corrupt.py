"""Images that cannot be decoded: named, skipped, counted."""

import logging
from collections.abc import Sequence
from typing import Any

import torch
from mmengine.dataset import BaseDataset
from mmengine.logging import print_log

from mmgreen.errors import UserError

from .images import decoding_fault
from .load_image import LoadImage
from .packs import PackError

#: Share of corrupt images from which a dataset is refused.
LIMIT = 0.01


class SkipCorruptImages(BaseDataset):
    """To be inherited from before a dataset of mmengine's kind.

    In training a corrupt image is replaced by another one, with a warning that
    names it and counts; over 1 % of the images is an error. In testing every
    corrupt image is an error. Images are decoded with Pillow, since OpenCV
    returns a truncated file as a half grey picture, without complaint; a step of the pipeline that
    says ``imdecode_backend`` is left as it is.
    """

    def __init__(self, *args: Any, pipeline: Sequence = (), **kwargs: Any) -> None:
        self._decoders_chosen = any(
            'imdecode_backend' in s for s in pipeline if isinstance(s, dict)
        )
        super().__init__(*args, pipeline=pipeline, **kwargs)

    def full_init(self) -> None:
        super().full_init()
        # In shared memory: worker processes count together.
        self._corrupt = torch.zeros(len(self), dtype=torch.bool).share_memory_()
        self._as_arrays = any(isinstance(step, LoadImage) for step in self.pipeline.transforms)
        for transform in self.pipeline.transforms:
            if hasattr(transform, 'imdecode_backend') and not self._decoders_chosen:
                transform.imdecode_backend = 'pillow'

    def prepare_data(self, idx: int) -> dict | None:
        try:
            return super().prepare_data(idx)
        except PackError:  # no image is at fault
            raise
        except Exception:
            path = self.get_data_info(idx)['img_path']
            fault = decoding_fault(path, self._as_arrays)
            if fault is None:  # the image is sound, so the fault is elsewhere
                raise
            if self.test_mode:
                raise UserError(f'image {path} cannot be read ({fault}): replace it') from None
        self._corrupt[idx] = True
        count, total = int(self._corrupt.sum()), len(self)
        if count > LIMIT * total:
            raise UserError(
                f'{count} of {total} images cannot be read, which is over {LIMIT:.0%}, the last of '
                f'them {path} ({fault}): remove or replace them'
            )
        message = f'skipped image {path}, which cannot be read ({fault}); {count} of {total} so far'
        print_log(message, logger='current', level=logging.WARNING)
        return None
