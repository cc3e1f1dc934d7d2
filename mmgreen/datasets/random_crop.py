"""Random crops of images for pre-training, as fast as decoding allows."""

import io
from typing import Any

import mmcv
import numpy as np
import torch
import torch.nn.functional as F
from mmengine import fileio
from mmpretrain.datasets.transforms import RandomResizedCrop
from PIL import Image, ImageOps
from torch import Tensor
from torchvision.io import ImageReadMode, decode_jpeg

from mmgreen.registry import TRANSFORMS

# A JPEG is decoded at a half, a quarter or an eighth where its crop has still so many times the
# pixels a side that are asked for: what the resizing averages anyway need not be decoded.
_GAP = 2
_EXIF_ORIENTATION = 0x0112


@TRANSFORMS.register_module()
class LoadRandomCrop(RandomResizedCrop):
    """Read an image and cut a random crop, in one step.

    Crops are distributed as those of ``LoadImageFromFile`` and ``RandomResizedCrop`` with
    ``backend='pillow'`` and ``interpolation='bicubic'``, and have the same pixels, give or take two
    levels. JPEGs are decoded by torchvision, large ones by Pillow with no more pixels than are
    needed (a crop may then be off by half of such a pixel), everything else by Pillow. An image that
    is asked for several times in a row (:class:`RepeatBatchSampler`) is decoded once.

    Args:
        scale: Side of the crop in pixels, or height and width.
        crop_ratio_range: Smallest and largest share of the image's area.
        aspect_ratio_range: Ratios of width to height.
        flip: Share of the crops that are mirrored left to right, as ``RandomFlip`` would do it.

    Gives a tensor, uint8, (3, height, width), blue, green and red, as OpenCV's: ready for
    ``PackInputs``. ``crop`` says what part of the image it is: left, top, right and bottom as shares of
    its width and height, and 1 where it is mirrored.
    """

    def __init__(
        self,
        scale: int | tuple[int, int],
        crop_ratio_range: tuple[float, float] = (0.08, 1.0),
        aspect_ratio_range: tuple[float, float] = (3 / 4, 4 / 3),
        flip: float = 0.0,
    ) -> None:
        super().__init__(
            scale,
            crop_ratio_range,
            aspect_ratio_range,
            interpolation='bicubic',
            backend='pillow',
        )
        self.flip = flip
        self._picture: _Picture | None = None

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        path = results['img_path']
        picture = self._picture
        if picture is None or picture.path != path:
            self._picture = None  # of a file that cannot be read nothing is kept
            picture = _Picture(path)
        top, left, height, width = self.rand_crop_params(picture)
        factor = _shrinking(min(height / self.scale[0], width / self.scale[1]) / _GAP)
        pixels, factor = picture.decode(factor)
        self._picture = picture
        crop = pixels[
            :,
            round(top / factor) : round((top + height) / factor),
            round(left / factor) : round((left + width) / factor),
        ]
        resized = F.interpolate(crop[None], tuple(self.scale), mode='bicubic', antialias=True)[0]
        mirrored = np.random.random() < self.flip  # noqa: NPY002, it is seeded for every sample
        # Red, green and blue turned round, and columns: a copy of whole rows, quicker than indices.
        results['img'] = resized.flip(0, 2) if mirrored else resized.flip(0)
        results['img_shape'] = tuple(self.scale)
        results['ori_shape'] = picture.shape
        rows, columns = picture.shape
        right, bottom = (left + width) / columns, (top + height) / rows
        results['crop'] = (left / columns, top / rows, right, bottom, float(mirrored))
        return results


class _Picture:
    """A file whose size is known, and whose pixels are decoded when they are asked for.

    Attributes:
        path: Path of the file.
        shape: Height and width, turned as its EXIF says.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._encoded = fileio.get(path)
        with Image.open(io.BytesIO(self._encoded)) as header:
            self._format, mode, (width, height) = header.format, header.mode, header.size
            turned = 'exif' in header.info and header.getexif().get(_EXIF_ORIENTATION, 1) >= 5
        self._quick = self._format == 'JPEG' and mode in ('RGB', 'L')
        self.shape = (width, height) if turned else (height, width)
        self._decoded: tuple[Tensor, int] | None = None

    def decode(self, factor: int) -> tuple[Tensor, int]:
        """Red, green and blue, uint8, (3, height, width), each side divided by a factor.

        Args:
            factor: 1, 2, 4 or 8.

        Returns:
            Pixels, and the factor that they have: the one asked for or a smaller one.
        """
        if not self._quick:
            factor = 1
        if self._decoded is None or self._decoded[1] > factor:
            self._decoded = self._pixels(factor), factor
        return self._decoded

    def _pixels(self, factor: int) -> Tensor:
        if self._quick and factor == 1:
            encoded = torch.frombuffer(bytearray(self._encoded), dtype=torch.uint8)
            try:
                return decode_jpeg(encoded, ImageReadMode.RGB, apply_exif_orientation=True)
            except RuntimeError:  # Pillow knows more kinds, and says what is wrong
                pass
        if factor > 1:
            with Image.open(io.BytesIO(self._encoded)) as image:
                image.draft('RGB', (image.width // factor, image.height // factor))
                array = np.array(ImageOps.exif_transpose(image.convert('RGB')))
        else:
            array = mmcv.imfrombytes(self._encoded, channel_order='rgb', backend='pillow')
        return torch.from_numpy(array).permute(2, 0, 1)


def _shrinking(most: float) -> int:
    """The largest of JPEG's own factors that is not above ``most``, or 1."""
    return next((factor for factor in (8, 4, 2) if factor <= most), 1)
