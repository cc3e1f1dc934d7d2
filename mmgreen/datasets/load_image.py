"""Images of more than eight bits, or of other channels than three, for training."""

from typing import Any

import numpy as np
from mmcv.transforms import LoadImageFromFile

from mmgreen.errors import UserError
from mmgreen.images import Levels, read_array
from mmgreen.registry import TRANSFORMS


@TRANSFORMS.register_module()
class LoadImage(LoadImageFromFile):
    """Load an image of any depth and number of channels; replaces ``LoadImageFromFile``.

    It reads TIFF and PNG of 16 bits and of floating-point numbers, NPY, and all that is read otherwise.

    Args:
        low: The value that is black; below it is black, too.
        high: The value that is white.
        channels: What the model takes. An image of one channel is repeated; any other must have as
            many, and of four where three are asked for the last one (alpha) is left out.
        mean: By channel, in the scale of 0 to 255, to be subtracted; by default none, where the
            data preprocessor does it, which takes one or three channels.
        std: What to divide by, in the same scale.

    Gives float32, (height, width, channels), between 0 and 255 unless there is a mean; three channels
    are blue, green and red, as OpenCV's.

    Raises:
        UserError: If an image has another number of channels.
    """

    def __init__(
        self,
        low: float,
        high: float,
        channels: int = 3,
        mean: list[float] | None = None,
        std: list[float] | None = None,
    ) -> None:
        super().__init__()
        self.levels = Levels(low, high)
        self.channels = channels
        self.mean, self.std = mean, std

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        path = results['img_path']
        results['img'] = self.prepare(read_array(path), path)
        results['img_shape'] = results['ori_shape'] = results['img'].shape[:2]
        return results

    def prepare(self, array: np.ndarray, name: str = 'image') -> np.ndarray:
        """Bring values to the scale and channels of the model.

        Args:
            array: (height, width, channels), three channels as red, green and blue.
            name: What an error calls the image.
        """
        image = self.levels.apply(array)
        if image.shape[2] == 1:
            image = image.repeat(self.channels, axis=2)
        elif image.shape[2] == 4 and self.channels == 3:
            image = image[..., :3]
        if image.shape[2] != self.channels:
            raise UserError(
                f'image {name} has {image.shape[2]} channels, and {self.channels} are asked for '
                '(LoadImage.channels)'
            )
        if self.channels == 3:
            image = image[..., ::-1]
        if self.mean is not None and self.std is not None:
            image = (image - np.array(self.mean)) / np.array(self.std)
        return np.ascontiguousarray(image, np.float32)
