"""A net that is not trained, whatever it comes from."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from mmgreen.errors import UserError

#: Red, green and blue of ImageNet, of pixels between 0 and 1.
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
#: Side of the image that a net is asked about: divisible by 14, 16 and 32.
_SIDE = 224


@dataclass
class FrozenNet:
    """What a teacher needs to know of a net.

    Attributes:
        name: What the log calls it.
        maps: From normalised images, (B, 3, H, W), to maps, (B, C, h, w) each, from fine to coarse.
        module: What ``maps`` computes with; None where that is no module of PyTorch.
        mean: What is subtracted from red, green and blue, of pixels between 0 and 1.
        std: What they are divided by.
        licence: Of its weights; None where it is not known.
        size: Height and width that it takes; None where it takes any.
    """

    name: str
    maps: Callable[[Tensor], Sequence[Tensor]]
    module: nn.Module | None = None
    mean: Sequence[float] = IMAGENET_MEAN
    std: Sequence[float] = IMAGENET_STD
    licence: str | None = None
    size: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if self.module is not None:
            self.module.eval()  # which gives nothing back in some nets of mmpretrain
            self.module.requires_grad_(False)

    def digest(self) -> str:
        """Hash of its weights."""
        found = hashlib.sha256()
        if self.module is None:  # a file
            found.update(Path(self.name).read_bytes())
        else:
            for name, value in self.module.state_dict().items():
                found.update(name.encode() + value.cpu().contiguous().numpy().tobytes())
        return found.hexdigest()

    @torch.no_grad()
    def shapes(self) -> tuple[list[int], list[int]]:
        """Channels of each map, and how many pixels of the image a side of its places has.

        Raises:
            UserError: If it gives no maps.
        """
        size = self.size or (_SIDE, _SIDE)
        maps = self.maps(torch.zeros(1, 3, *size))
        if not maps or any(m.ndim != 4 for m in maps):
            raise UserError(
                f'teacher {self.name} gives {[tuple(m.shape) for m in maps]}, and no maps'
            )
        return [m.shape[1] for m in maps], [round(size[0] / m.shape[2]) for m in maps]


def suiting(strides: Sequence[int], unit: int) -> int:
    """Which of some maps suits mask units: the last whose places are no larger, or else the last.

    Args:
        strides: Pixels for a place of each map, from fine to coarse.
        unit: Side of a mask unit in pixels.
    """
    fitting = [i for i, stride in enumerate(strides) if stride <= unit]
    return fitting[-1] if fitting else len(strides) - 1


def as_map(tokens: Tensor, height: int, width: int) -> Tensor:
    """Tokens of a transformer as a map; those before the image's own, of its class, are left out.

    Args:
        tokens: (B, others + height * width, C).
        height, width: Tokens per column and row.

    Returns:
        (B, C, height, width).
    """
    own = tokens[:, tokens.shape[1] - height * width :]
    return own.transpose(1, 2).unflatten(2, (height, width))
