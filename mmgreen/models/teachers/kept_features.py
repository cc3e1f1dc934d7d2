"""Features of whole images, kept on disk, so that a run of many epochs computes them once."""

import hashlib
import io
import json
import logging
import os
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import mmcv
import numpy as np
import torch
from mmengine import fileio
from mmengine.dist import barrier, get_dist_info
from mmengine.logging import print_log
from rich.progress import track
from torch import Tensor
from torch.utils.data import DataLoader
from torchvision.ops import roi_align

from mmgreen.datasets.images import decoding_fault
from mmgreen.datasets.packs import PackError
from mmgreen.errors import UserError
from mmgreen.files import write_whole

_ABOUT = 'about.json'
#: Images that go through the teacher together, and that are in a shard.
_BATCH, _SHARD = 32, 1024
_LARGEST = float(np.finfo(np.float16).max)


class KeptFeatures:
    """A folder with the features of whole images, by the paths of the images.

    They are in shards, arrays of half precision beside the names of their images, each written whole, so
    that a run that was ended goes on where it was. Other teachers, or other sides, have folders of
    their own.

    Args:
        folder: Where they are, such as ``'data/own/teacher'``.
        about: All that they depend on but the images: another folder where anything differs.
        side: Images are resized to a square of so many pixels, whatever their shape.
        shape: Channels, height and width of a map.
    """

    def __init__(
        self, folder: str, about: dict[str, Any], side: int, shape: tuple[int, int, int]
    ) -> None:
        text = json.dumps(dict(about, side=side), indent=1, sort_keys=True)
        self.folder = Path(folder, hashlib.sha256(text.encode()).hexdigest()[:12])
        self.side, self.shape, self._text = side, shape, text
        self._rows: dict[str, tuple[int, int]] = {}
        self._shards: list[np.ndarray] = []
        self._seconds: list[float] = []

    def prepare(self, paths: Sequence[str], compute: Callable[[Tensor], Tensor]) -> None:
        """Compute what is not there, in all processes, and open all of it.

        Args:
            paths: Of the images of a run.
            compute: From pixels, (B, 3, side, side), red first, 0 to 255, to maps (B, C, h, w).

        Raises:
            UserError: If the disk has no room for them, or the folder cannot be written.
        """
        rank, processes = get_dist_info()
        self._open()
        missing = sorted(set(paths) - set(self._rows))
        if missing:
            self._check_room(len(missing))
            self._compute(missing[rank::processes], compute)
        barrier()
        self._open()

    def crops(self, paths: Sequence[str], boxes: Tensor, size: tuple[int, int]) -> Tensor:
        """Features of a part of each image, interpolated.

        Args:
            paths: Of the images.
            boxes: (B, 5), left, top, right and bottom as shares of the image's width and height, and 1
                where it was mirrored.
            size: Height and width of the result, in places.

        Returns:
            (B, C, height, width), float32, on the device of ``boxes``.

        Raises:
            UserError: If an image has none.
        """
        maps = torch.stack([self._row(path) for path in paths]).to(boxes.device).float()
        scale = boxes.new_tensor([maps.shape[3], maps.shape[2]] * 2)
        rois = torch.cat(
            [torch.arange(len(maps), device=boxes.device)[:, None], boxes[:, :4] * scale], 1
        )
        found = roi_align(maps, rois.float(), size, sampling_ratio=2, aligned=True)
        return torch.where(boxes[:, 4].bool()[:, None, None, None], found.flip(3), found)

    def seconds(self, paths: Sequence[str]) -> float:
        """How long the features of some images took, computed in this run or before."""
        return sum(self._seconds[self._rows[path][0]] for path in paths if path in self._rows)

    def _row(self, path: str) -> Tensor:
        if path not in self._rows:
            raise UserError(
                f'{self.folder} has no features of image {path}: was it changed during the run, or are '
                'the processes of a run on several file systems?'
            )
        file, row = self._rows[path]
        return torch.from_numpy(np.array(self._shards[file][row]))

    def _open(self) -> None:
        """Open every shard that is whole: its names are written last."""
        self._rows, self._shards, self._seconds = {}, [], []
        for file in sorted(self.folder.glob('*.json')):
            if file.name == _ABOUT:
                continue
            said = json.loads(file.read_text(encoding='utf-8'))
            for row, path in enumerate(said['images']):
                self._rows[path] = len(self._shards), row
            self._seconds.append(said['seconds'] / len(said['images']))
            self._shards.append(np.load(file.with_suffix('.npy'), mmap_mode='r'))

    def _check_room(self, images: int) -> None:
        needed = 2 * images * int(np.prod(self.shape))
        write_whole(self.folder / _ABOUT, self._text)
        free = shutil.disk_usage(self.folder).free
        print_log(
            f'Teacher: features of {images} images are computed once, {needed / 2**20:.0f} MiB in '
            f'{self.folder} (free: {free / 2**30:.1f} GiB)',
            logger='current',
            level=logging.INFO,
        )
        if needed > free:
            raise UserError(
                f'{self.folder} has no room for {needed / 2**30:.1f} GiB of features: name another '
                'folder (model.head.teacher.keep.folder), a smaller side, or leave keep out'
            )

    def _compute(self, paths: Sequence[str], compute: Callable[[Tensor], Tensor]) -> None:
        loader = DataLoader(
            _Squares(paths, self.side),
            batch_size=_BATCH,
            num_workers=min(4, max(1, (os.cpu_count() or 1) // 2)),
            multiprocessing_context='fork',
        )
        values: list[np.ndarray] = []
        names: list[str] = []
        since = time.perf_counter()
        batches = track(loader, 'Features of a teacher', total=len(loader))
        for i, (images, sound) in enumerate(batches, 1):
            number = len(images)
            if number < _BATCH:  # one shape for all
                images = torch.cat([images, images[-1:].expand(_BATCH - number, -1, -1, -1)])
            maps = compute(images.float())[:number].clamp(-_LARGEST, _LARGEST)
            values.append(maps.half().cpu().numpy()[sound.numpy()])
            chosen = paths[(i - 1) * _BATCH : i * _BATCH]
            names += [path for path, good in zip(chosen, sound, strict=True) if good]
            if names and (len(names) >= _SHARD or i == len(loader)):
                now = time.perf_counter()
                self._write(names, np.concatenate(values), now - since)
                values, names, since = [], [], now

    def _write(self, paths: Sequence[str], values: np.ndarray, seconds: float) -> None:
        name = hashlib.sha256(paths[0].encode()).hexdigest()[:12]  # no other process has this image
        buffer = io.BytesIO()
        np.save(buffer, values)
        write_whole(self.folder / f'{name}.npy', buffer.getvalue())
        write_whole(
            self.folder / f'{name}.json', json.dumps(dict(seconds=seconds, images=list(paths)))
        )


class _Squares(torch.utils.data.Dataset):
    """Images, each resized to a square, red first, and whether they could be read.

    Those that cannot are said, counted and left out by the training's own dataset.
    """

    def __init__(self, paths: Sequence[str], side: int) -> None:
        self.paths, self.side = paths, side

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, i: int) -> tuple[Tensor, bool]:
        path = self.paths[i]
        try:
            image = mmcv.imfrombytes(fileio.get(path), channel_order='rgb', backend='pillow')
            square = mmcv.imresize(
                image, (self.side, self.side), interpolation='bicubic', backend='pillow'
            )
        except PackError:  # no image is at fault
            raise
        except Exception:
            if decoding_fault(path) is None:
                raise
            return torch.zeros(3, self.side, self.side, dtype=torch.uint8), False
        return torch.from_numpy(np.ascontiguousarray(square)).permute(2, 0, 1), True
