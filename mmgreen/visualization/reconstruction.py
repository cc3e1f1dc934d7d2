"""What a pre-trained model sees, predicts and should have predicted."""

from collections.abc import Sequence

import cv2
import numpy as np
import torch

_GREY, _WHITE, _GAP = 128, 255, 4


def draw_reconstructions(
    model: torch.nn.Module, images: Sequence[np.ndarray], size: int, seed: int = 0
) -> np.ndarray:
    """A picture with a column for each image: masked, predicted, original.

    Visible units are shown as they are in the prediction, too. Neither the
    model's mode nor any random state is changed.

    Args:
        model: GreenMIM.
        images: RGB, uint8, (height, width, 3) of any size each.
        size: Side in pixels to which they are resized.
        seed: Decides the masks.

    Returns:
        RGB, uint8, (3 rows, columns, 3).
    """
    resized = np.stack([cv2.resize(image, (size, size)) for image in images])
    training = model.training
    model.eval()
    # The preprocessor expects what OpenCV reads.
    batch = torch.from_numpy(resized[..., ::-1].copy()).permute(0, 3, 1, 2)
    preprocessor = model.data_preprocessor
    inputs = preprocessor(dict(inputs=batch, data_samples=None))['inputs']
    generator = torch.Generator().manual_seed(seed)
    out = model.reconstruct(inputs, model.draw_mask((size, size), len(inputs), generator))
    model.train(training)

    predicted = (out['image'].float() * preprocessor.std + preprocessor.mean).clamp(0, 255)
    predicted = predicted.permute(0, 2, 3, 1).byte().cpu().numpy()
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
