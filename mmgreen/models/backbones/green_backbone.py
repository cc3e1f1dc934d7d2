"""What every hierarchical backbone with a sparse way through its parameters shares."""

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmcv.cnn.bricks.transformer import PatchEmbed
from mmengine.model import BaseModule
from torch import Tensor

from mmgreen.checkpoints import load_backbone
from mmgreen.errors import UserError
from mmgreen.sparse import GROUPINGS, Layout, Window
from mmgreen.sparse.grouping import ABLATIONS


class GreenBackbone(BaseModule):
    """A backbone of mmpretrain that can skip what is masked.

    It stands before mmpretrain's class among the bases, whose ``forward(x)`` is the
    dense path, for classification, detection and segmentation.
    ``forward(x, mask)`` computes what is visible only (GreenMIM, section 3). Both run
    through the same parameters, whose names are mmpretrain's.

    ``init_cfg=dict(type='Pretrained', checkpoint=FILE)`` reads any checkpoint that
    :func:`mmgreen.checkpoints.load_backbone` knows, and stops where it does not fit.

    A subclass says what its patch layers are, its windows and its mask units, and
    computes the sparse path.

    Args:
        *args: See mmpretrain's class.
        grouping: How the sparse path packs windows into groups, by dynamic
            programming: for fewest attention ``'pairs'``, as in the paper, for
            fewest ``'tiles'`` of a GPU's kernels, or ``'optimal'``: pairs on a CPU
            and tiles on a GPU. ``'fixed'``: tiles, in groups of one number and size
            for 99 of 100 masks, so that steps have equal shapes, with units of the stride or more.
        **kwargs: See mmpretrain's class.

    Raises:
        UserError: If ``grouping`` is none of these.
    """

    def __init__(self, *args: Any, grouping: str = 'optimal', **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if grouping not in ('optimal', 'fixed', *GROUPINGS, *ABLATIONS):
            raise UserError(
                f"grouping '{grouping}' is unknown: choose from optimal, fixed, "
                + ', '.join(GROUPINGS)
            )
        self.grouping = grouping

    @abstractmethod
    def patch_layers(self) -> Sequence[Any]:
        """What cuts the map into patches before each stage: kernel_size and stride count."""

    @property
    def channels(self) -> list[int]:
        """Channels of each stage's tokens."""
        raise UserError(
            f'{type(self).__name__} says not how many channels its stages have (channels): leave '
            'stage_weights out'
        )

    @property
    @abstractmethod
    def unit_sizes(self) -> list[int]:
        """Sides of a mask unit that :meth:`forward` takes, in pixels, largest first."""

    @abstractmethod
    def windows_of_blocks(self, map_size: tuple[int, int], stage: int) -> list[Window | None]:
        """The windows of a stage's blocks on a map, None for a block without.

        Raises:
            UserError: If they do not fit.
        """

    def channels_that_miss(self, unit_size: int) -> list[int]:
        """Channels of the tokens of which some are missing where four merge, of each such merging."""
        return []

    @abstractmethod
    def forward_sparse(
        self, x: Tensor, layout: Layout, stand_ins: Iterable[Tensor] = ()
    ) -> tuple[Tensor, ...]:
        """The sparse path of :meth:`forward`, over a layout on the device of ``x``.

        Args:
            x: Images, (B, 3, H, W).
            layout: A layout of :meth:`build_layout`.
            stand_ins: What stands in for a token that is missing where four merge,
                (C,) for each merging after which tokens are larger than units;
                zeros by default.
        """

    def init_weights(self) -> None:
        """Initialise the weights, or load a checkpoint in full."""
        if isinstance(self.init_cfg, dict) and self.init_cfg.get('type') == 'Pretrained':
            load_backbone(self, self.init_cfg['checkpoint'], self.init_cfg.get('prefix'))
            self._is_init = True
        else:
            super().init_weights()

    @property
    def patch_size(self) -> int:
        """Pixels along a side of a token of the first stage."""
        return _pair(self.patch_layers()[0].stride)[0]

    @property
    def stride(self) -> int:
        """Pixels of the input along a side of one output token, 32 by default.

        Raises:
            UserError: If a patch layer overlaps, which has no sparse path.
        """
        stride = 1
        for i, layer in enumerate(self.patch_layers()):
            kernel, step = _pair(layer.kernel_size), _pair(layer.stride)
            if kernel != step or kernel[0] != kernel[1] or (i > 0 and kernel[0] != 2):
                raise UserError(
                    f'{type(self).__name__} masks units only where patches do not overlap, and '
                    f'those of stage {i + 1} are of {kernel[0]}x{kernel[1]} in steps of '
                    f'{step[0]}x{step[1]}: leave the size and stride of patches as they are'
                )
            stride *= kernel[0]
        return stride

    def map_sizes(self, image_size: tuple[int, int]) -> list[tuple[int, int]]:
        """Height and width of each stage's map, in tokens."""
        height, width = (size // self.patch_size for size in image_size)
        return [(height >> i, width >> i) for i in range(len(self.patch_layers()))]

    def build_layout(
        self, image_size: tuple[int, int], mask: Tensor, device: torch.device | str = 'cpu'
    ) -> Layout:
        """Index tensors for :meth:`forward_sparse` on a device, where they go in one copy.

        Arguments and errors are those of :meth:`plan_layout`.
        """
        return self.plan_layout(image_size, mask, device).to(device)

    def plan_layout(
        self,
        image_size: tuple[int, int],
        mask: Tensor,
        device: torch.device | str = 'cpu',
        grouping: str | None = None,
    ) -> Layout:
        """Index tensors for :meth:`forward_sparse`, from the mask alone, on the CPU.

        Args:
            image_size: Height and width of the images, in pixels.
            mask: Bool, (1 or B, H/unit, W/unit) for units of any of :attr:`unit_sizes`,
                True = masked.
            device: Where the tokens will be, which decides how windows are grouped.
            grouping: In the place of the backbone's.

        Raises:
            UserError: If the image is not divisible by the stride, the mask is
                of another shape, or a window is larger than its stage's map.
        """
        stride = self.stride
        if any(size % stride for size in image_size):
            raise UserError(
                f'an image of {image_size[0]}x{image_size[1]} pixels (height x width) is not '
                f'divisible by the stride of {stride}: crop or resize to a multiple of {stride}'
            )
        grids = {tuple(size // unit for size in image_size): unit for unit in self.unit_sizes}
        unit = grids.get(tuple(mask.shape[1:]))
        if unit is None:
            known = ', '.join(f'{g[0]}x{g[1]} ({u} pixels)' for g, u in grids.items())
            raise UserError(
                f'the mask is of shape {tuple(mask.shape)}, but images of {image_size[0]}x'
                f'{image_size[1]} pixels have one of these grids of units: {known}'
            )
        windows = [
            [window for window in self.windows_of_blocks(size, i) if window is not None]
            for i, size in enumerate(self.map_sizes(image_size))
        ]
        grouping = grouping or self.grouping
        if grouping == 'optimal':
            grouping = 'pairs' if torch.device(device).type == 'cpu' else 'tiles'
        try:
            return Layout(mask, unit // self.patch_size, windows, grouping)
        except ValueError as error:
            raise UserError(str(error)) from error

    def forward(self, x: Tensor, mask: Tensor | None = None) -> tuple[Tensor, ...]:
        """Features of all patches, or of what is visible only.

        Where units are finer than a stage's tokens, a token is computed if any of
        its units is visible.

        Args:
            x: Images, (B, 3, H, W).
            mask: ``None`` for the dense path, or bool of shape (1, H/u, W/u),
                shared by the batch, or (B, H/u, W/u) with the same number of
                visible units in each, for units of u pixels, one of
                :attr:`unit_sizes`; True = masked. Keep it on the CPU: the
                layout is built there.

        Returns:
            One tensor for each of ``out_indices``, normalised by its output
            norm. Dense: feature maps (B, C, h, w). Sparse: tokens in nested order,
            (B, tokens, C) under a shared mask and (1, tokens of all images, C)
            under a mask for each, of which images may have different numbers; at
            the last stage that is row-major over an image's tokens.

        Raises:
            UserError: See :meth:`plan_layout`.
        """
        if mask is None:
            return super().forward(x)
        if mask.shape[0] not in (1, len(x)):
            raise UserError(f'{mask.shape[0]} masks do not match a batch of {len(x)} images')
        layout = self.build_layout((x.shape[2], x.shape[3]), mask, x.device)
        return self.forward_sparse(x, layout)

    def embed_visible(self, x: Tensor, layout: Layout, embed: PatchEmbed) -> Tensor:
        """Cut the visible patches out of (B, 3, H, W) images and embed only those.

        Args:
            embed: The embedding of the first stage.

        Returns:
            (B, N, C), N tokens of each image.
        """
        patch = self.patch_size
        batch, channels, height, width = x.shape
        x = x.view(batch, channels, height // patch, patch, width // patch, patch)
        sample = torch.arange(batch, device=x.device)[:, None]
        x = x[sample, :, layout.rows, :, layout.cols]  # [B, N, 3, patch, patch]
        projection = embed.projection
        x = F.linear(x.flatten(2), projection.weight.flatten(1), projection.bias)
        return x if embed.norm is None else embed.norm(x)


def _pair(value: int | tuple[int, int]) -> tuple[int, int]:
    return value if isinstance(value, tuple) else (value, value)
