"""Masks that were found in one view of an image, as targets in another."""

import numpy as np
import torch
import torch.nn.functional as F
from mmdet.structures.mask import BitmapMasks
from torch import Tensor


class ProjectedMasks:
    """Probabilities inside boxes of another view, which mmdet's mask heads take as instances' masks.

    They ask for nothing but :meth:`crop_and_resize`. It looks each point of a proposal up where it is in
    the other view: no mask is drawn into a whole image, and what is between 0 and 1 stays there.

    Args:
        probabilities: That points of the boxes are the object's, (N, h, w), between 0 and 1.
        boxes: (N, 4), as x1, y1, x2, y2 in pixels of the other view.
        matrix: From points of this view to those of the other, (3, 3), for column vectors (x, y, 1).
        shape: Height and width of this view.
    """

    def __init__(
        self, probabilities: Tensor, boxes: Tensor, matrix: Tensor, shape: tuple[int, int]
    ) -> None:
        self.probabilities, self.boxes, self.matrix = probabilities, boxes, matrix
        self.height, self.width = shape

    def __len__(self) -> int:
        return len(self.boxes)

    def crop_and_resize(
        self,
        bboxes: np.ndarray,
        out_shape: tuple[int, int],
        inds: np.ndarray,
        device: str | torch.device = 'cpu',
        interpolation: str = 'bilinear',
        binarize: bool = True,
    ) -> BitmapMasks:
        """Masks inside boxes of this view.

        Args:
            bboxes: (M, 4).
            out_shape: Rows and columns of points in each.
            inds: Which mask each is of, (M,).
            device: Device of the computation.
            interpolation: As mmdet calls it; always bilinear.
            binarize: As mmdet calls it; they are probabilities all the same.

        Returns:
            Probabilities, (M, rows, columns), float32; 0 outside of the other view's boxes.
        """
        places = torch.as_tensor(inds, dtype=torch.long, device=self.boxes.device)
        x1, y1, x2, y2 = torch.as_tensor(bboxes).to(self.boxes).unbind(1)
        down, along = ((torch.arange(n).to(x1) + 0.5) / n for n in out_shape)
        y = (y1[:, None] + (y2 - y1)[:, None] * down)[:, :, None].expand(-1, -1, len(along))
        x = (x1[:, None] + (x2 - x1)[:, None] * along)[:, None].expand(-1, len(down), -1)
        points = (
            torch.stack([x, y, torch.ones_like(x)], -1) @ self.matrix.to(x).T
        )  # (M, rows, columns, 3)
        points = points[..., :2] / points[..., 2:]
        boxes = self.boxes[places][:, None, None]  # (M, 1, 1, 4)
        size = (boxes[..., 2:] - boxes[..., :2]).clamp(min=1e-6)
        inside = 2 * (points - boxes[..., :2]) / size - 1
        found = F.grid_sample(
            self.probabilities[places][:, None].to(inside), inside, align_corners=False
        )
        return BitmapMasks(found[:, 0].cpu().numpy(), *out_shape)
