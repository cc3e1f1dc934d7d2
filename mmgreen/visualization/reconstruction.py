"""What a pre-trained model sees, predicts and should have predicted."""

from collections.abc import Sequence

import cv2
import numpy as np
import torch

from mmgreen.errors import UserError
from mmgreen.images import to_picture

_GREY, _WHITE, _GAP = 128, 255, 4


def draw_reconstructions(
    model: torch.nn.Module, images: Sequence[np.ndarray], size: int, seed: int = 0
) -> np.ndarray:
    """A picture with a column for each image: masked, predicted, original.

    Visible units are shown as they are in the prediction, too. Neither the
    model's mode nor any random state is changed.

    Args:
        model: GreenMIM.
        images: RGB, (height, width, 3) of any size each, uint8 or float32 between 0 and 255; or of
            other channels, as the model takes them.
        size: Side in pixels to which they are resized.
        seed: Decides the masks.

    Returns:
        RGB, uint8, (3 rows, columns, 3).

    Raises:
        UserError: If what the model predicts is no picture.
    """
    if not model.head.draws:
        raise UserError(
            f'what {type(model.head).__name__} predicts is no picture: there is nothing to draw'
        )
    resized = np.stack([cv2.resize(image, (size, size)) for image in images])
    training = model.training
    model.eval()
    three = resized.shape[-1] == 3
    stack = resized[..., ::-1] if three else resized  # the preprocessor expects what OpenCV reads
    batch = torch.from_numpy(stack.copy()).permute(0, 3, 1, 2)
    preprocessor = model.data_preprocessor
    inputs = preprocessor(dict(inputs=batch, data_samples=None))['inputs']
    generator = torch.Generator().manual_seed(seed)
    out = model.reconstruct(inputs, model.draw_mask((size, size), len(inputs), generator))
    model.train(training)

    predicted = out['image'].float()
    if three:
        predicted = (predicted * preprocessor.std + preprocessor.mean).clamp(0, 255).byte()
    predicted = predicted.permute(0, 2, 3, 1).cpu().numpy()
    if not three:  # the first channels, both by the range of the original
        shown = [to_picture(np.concatenate(pair)) for pair in zip(resized, predicted, strict=True)]
        resized, predicted = np.stack(shown).reshape(-1, 2, size, size, 3).swapaxes(0, 1)
    resized = resized.clip(0, 255).astype(np.uint8)
    unit = model.head.patch_size
    hidden = out['mask'].repeat_interleave(unit, 1).repeat_interleave(unit, 2).cpu().numpy()
    masked = np.where(hidden[..., None], np.uint8(_GREY), resized)
    return _join_tiles([list(masked), list(predicted), list(resized)])


def _join_tiles(rows: Sequence[Sequence[np.ndarray]]) -> np.ndarray:
    """Put tiles of one size together, with white gaps; uint8, (H, W, 3) each."""
    height, width, _ = rows[0][0].shape
    columns = max(map(len, rows))
    step_y, step_x = height + _GAP, width + _GAP
    shape = (len(rows) * step_y - _GAP, columns * step_x - _GAP, 3)
    picture = np.full(shape, _WHITE, dtype=np.uint8)
    for i, row in enumerate(rows):
        for j, tile in enumerate(row):
            picture[i * step_y : i * step_y + height, j * step_x : j * step_x + width] = tile
    return picture
