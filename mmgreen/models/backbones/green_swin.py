"""Swin Transformer with a sparse way through the same parameters."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmcv.cnn.bricks import DropPath
from mmcv.cnn.bricks.transformer import PatchMerging
from mmpretrain.models import SwinTransformer
from mmpretrain.models.backbones.swin_transformer import SwinBlock
from mmpretrain.models.utils import resize_pos_embed
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from mmgreen.checkpoints import load_backbone
from mmgreen.errors import UserError
from mmgreen.models.layers import linear_after
from mmgreen.registry import MODELS
from mmgreen.sparse import (
    GROUPINGS,
    Layout,
    Windows,
    fill_places,
    group_window_attention,
    pair_bias,
)


@MODELS.register_module()
class GreenSwinTransformer(SwinTransformer):
    """mmpretrain's Swin Transformer that can skip what is masked.

    ``forward(x)`` is the dense path, unchanged, for classification, detection
    and segmentation. ``forward(x, mask)`` computes the visible mask units only
    (GreenMIM, section 3). Both run through the same parameters, whose names
    are mmpretrain's.

    ``init_cfg=dict(type='Pretrained', checkpoint=FILE)`` reads any GreenMIM,
    SimMIM or Swin checkpoint, of the official projects, timm or OpenMMLab, and
    stops where it does not fit (see :func:`mmgreen.checkpoints.load_backbone`).

    Args:
        *args: As of :class:`mmpretrain.models.SwinTransformer`.
        grouping: How the sparse path packs windows into groups, by dynamic
            programming: for fewest attention ``'pairs'``, as in the paper, for
            fewest ``'tiles'`` of a GPU's kernels, or ``'optimal'``: pairs on a CPU
            and tiles on a GPU. ``'fixed'``: tiles, in groups of one number and size
            for 99 of 100 masks, so that steps have equal shapes. For comparison
            ``'greedy'`` (first fit) and ``'pad'`` (each window by itself).
        recompute: Whether the sparse path computes LayerNorm and GELU again in the
            backward pass instead of keeping what they gave: 6 of 16 activations a
            token for one or two hundredths of the time.
        **kwargs: As of :class:`mmpretrain.models.SwinTransformer`.

    Raises:
        UserError: If ``grouping`` is none of these.
    """

    def __init__(
        self, *args: Any, grouping: str = 'optimal', recompute: bool = True, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        if grouping not in ('optimal', 'fixed', *GROUPINGS):
            raise UserError(
                f"grouping '{grouping}' is unknown: choose from optimal, fixed, "
                + ', '.join(GROUPINGS)
            )
        self.grouping = grouping
        self.recompute = recompute

    def init_weights(self) -> None:
        """Initialise the weights, or load a checkpoint in full."""
        if isinstance(self.init_cfg, dict) and self.init_cfg.get('type') == 'Pretrained':
            load_backbone(self, self.init_cfg['checkpoint'], self.init_cfg.get('prefix'))
            self._is_init = True
        else:
            super().init_weights()

    @property
    def stride(self) -> int:
        """Pixels of the input along a side of one output token, 32 by default.

        Raises:
            UserError: If a patch layer overlaps, which has no sparse path.
        """
        layers = [self.patch_embed.projection]
        layers += [s.downsample.sampler for s in self.stages if s.downsample is not None]
        stride = 1
        for i, layer in enumerate(layers):
            kernel, step = _pair(layer.kernel_size), _pair(layer.stride)
            if kernel != step or kernel[0] != kernel[1] or (i > 0 and kernel[0] != 2):
                raise UserError(
                    'GreenSwinTransformer masks units only where patches do not overlap: '
                    'remove kernel_size and stride from patch_cfg and downsample_cfg'
                )
            stride *= kernel[0]
        return stride

    @property
    def unit_sizes(self) -> list[int]:
        """Sides of a mask unit that :meth:`forward` takes, in pixels: 32, 16, 8 and 4 by default."""
        patch = self.patch_embed.projection.stride[0]
        return [patch << i for i in reversed(range(self.num_layers))]

    def build_layout(
        self, image_size: tuple[int, int], mask: Tensor, device: torch.device | str = 'cpu'
    ) -> Layout:
        """Index tensors for :meth:`forward_sparse`, from the mask alone.

        They are built on the CPU, and go to the device in one copy.

        Args:
            image_size: Height and width of the images, in pixels.
            mask: Bool, (1 or B, H/unit, W/unit) for units of any of :attr:`unit_sizes`,
                True = masked.
            device: Where the tokens will be.

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
        patch = self.patch_embed.projection.stride[0]
        unit_side = unit // patch
        maps = [tuple(size // patch >> i for size in image_size) for i in range(self.num_layers)]
        windows = [
            [_window_and_shift(block, maps[i], i) for block in stage.blocks]
            for i, stage in enumerate(self.stages)
        ]
        try:
            return Layout(mask, unit_side, windows, self._grouping_on(device)).to(device)
        except ValueError as error:
            raise UserError(str(error)) from error

    def _grouping_on(self, device: torch.device | str) -> str:
        if self.grouping != 'optimal':
            return self.grouping
        return 'pairs' if torch.device(device).type == 'cpu' else 'tiles'

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
            UserError: As :meth:`build_layout`.
        """
        if mask is None:
            return super().forward(x)
        if mask.shape[0] not in (1, len(x)):
            raise UserError(f'{mask.shape[0]} masks do not go with a batch of {len(x)} images')
        layout = self.build_layout((x.shape[2], x.shape[3]), mask, x.device)
        return self.forward_sparse(x, layout)

    def forward_sparse(
        self, x: Tensor, layout: Layout, stand_ins: Iterable[Tensor] = ()
    ) -> tuple[Tensor, ...]:
        """The sparse path of :meth:`forward`, over a layout on the device of ``x``.

        Args:
            x: Images, (B, 3, H, W).
            layout: Of :meth:`build_layout`.
            stand_ins: What stands in for a token that is missing where four merge,
                (C,) for each merging after which tokens are larger than units;
                zeros by default.
        """
        stand_ins = iter(stand_ins)
        map_size = tuple(size // self.patch_embed.projection.stride[0] for size in x.shape[2:])
        x = self._embed_visible(x, layout)  # [B or 1, tokens, C]

        outs = []
        for i, stage in enumerate(self.stages):
            keys = [(i, *_window_and_shift(block, map_size, i)) for block in stage.blocks]
            patterns = [layout.windows[key] for key in keys]
            biases = _stage_biases(stage.blocks, patterns)
            for block, windows, bias in zip(stage.blocks, patterns, biases, strict=True):
                x = _forward_block(block, x, windows, bias, layout.tokens[i], self.recompute)
            merged = x
            if stage.downsample is not None:
                merge = layout.merges[i]
                if merge is not None:
                    stand_in = next(stand_ins, None)
                    if stand_in is None:
                        stand_in = x.new_zeros(x.shape[2])
                    merged = fill_places(x, merge, stand_in)
                merged = _merge_patches(stage.downsample, merged)
            if i in self.out_indices:
                outs.append(getattr(self, f'norm{i}')(merged if self.out_after_downsample else x))
            x = merged
            map_size = tuple(size // 2 for size in map_size)
        return tuple(outs)

    def _embed_visible(self, x: Tensor, layout: Layout) -> Tensor:
        """Cut the visible patches out of (B, 3, H, W) images and embed only those."""
        projection = self.patch_embed.projection
        patch = projection.stride[0]
        batch, channels, height, width = x.shape
        x = x.view(batch, channels, height // patch, patch, width // patch, patch)
        sample = torch.arange(batch, device=x.device)[:, None]
        x = x[sample, :, layout.rows, :, layout.cols]  # [B, N, 3, patch, patch]
        x = F.linear(x.flatten(2), projection.weight.flatten(1), projection.bias)
        if self.patch_embed.norm is not None:
            x = self.patch_embed.norm(x)
        if self.use_abs_pos_embed:
            grid = (height // patch, width // patch)
            position = resize_pos_embed(
                self.absolute_pos_embed,
                self.patch_resolution,
                grid,
                self.interpolate_mode,
                self.num_extra_tokens,
            )
            x = x + position[0, layout.rows * grid[1] + layout.cols]
        x = self.drop_after_pos(x)
        return x if layout.num_masks == 1 else x.flatten(0, 1)[None]


def _pair(value: int | tuple[int, int]) -> tuple[int, int]:
    return value if isinstance(value, tuple) else (value, value)


def _window_and_shift(block: SwinBlock, map_size: tuple[int, int], stage: int) -> tuple[int, int]:
    """Window side and shift of a block on a map, by the rules of ShiftWindowMSA."""
    attn, smallest = block.attn, min(map_size)
    if attn.pad_small_map or smallest > attn.window_size:
        return attn.window_size, attn.shift_size
    if smallest == attn.window_size:
        return attn.window_size, 0
    raise UserError(
        f'window_size {attn.window_size} of stage {stage + 1} is larger than its feature map of '
        f'{map_size[0]}x{map_size[1]}: give that stage a smaller window in stage_cfgs, '
        'use larger images, or set pad_small_map=True'
    )


def _stage_biases(blocks: Sequence[SwinBlock], patterns: Sequence[Windows]) -> list[Tensor]:
    """The relative position bias of each block, looked up once for all of a pattern."""
    blocks_of: dict[int, list[int]] = {}
    for i, windows in enumerate(patterns):
        blocks_of.setdefault(id(windows), []).append(i)
    biases: dict[int, Tensor] = {}
    for own in blocks_of.values():
        tables = [blocks[i].attn.w_msa.relative_position_bias_table for i in own]
        biases.update(zip(own, pair_bias(tables, patterns[own[0]]), strict=True))
    return [biases[i] for i in range(len(patterns))]


def _forward_block(
    block: SwinBlock, x: Tensor, windows: Windows, bias: Tensor, tokens: Tensor, recompute: bool
) -> Tensor:
    """:meth:`SwinBlock.forward` for visible tokens, (b, T, C) to (b, T, C)."""
    msa = block.attn.w_msa
    linear = linear_after if recompute else _linear_keeping

    def inner(x: Tensor) -> Tensor:
        attended = group_window_attention(
            linear(block.norm1, x, msa.qkv),
            bias,
            windows,
            scale=msa.scale,
            dropout=msa.attn_drop.p if block.training else 0.0,
            beyond=msa.qkv.bias,
        )
        x = x + _drop_path(block.attn.drop, msa.proj_drop(msa.proj(attended)), tokens)
        return x + _drop_path(block.ffn.dropout_layer, _mlp(block, x, linear), tokens)

    if block.with_cp and x.requires_grad:
        return checkpoint(inner, x, use_reentrant=False)
    return inner(x)


def _linear_keeping(before: nn.Module, x: Tensor, linear: nn.Linear) -> Tensor:
    """:func:`linear_after` that keeps what came before."""
    return linear(before(x))


def _mlp(block: SwinBlock, x: Tensor, linear: Callable[..., Tensor]) -> Tensor:
    """The branch of :meth:`SwinBlock.forward` that is norm and MLP."""
    ffn = block.ffn
    if len(ffn.layers) != 3 or ffn.layers[-1].p:
        # More layers than the usual two, or dropout between them.
        return ffn.gamma2(ffn.layers(block.norm2(x)))
    (up, activation, _), down, _ = ffn.layers
    return ffn.gamma2(linear(activation, linear(block.norm2, x, up), down))


def _drop_path(layer: nn.Module, x: Tensor, tokens: Tensor) -> Tensor:
    """Drop the branch ``x``, (b, T, C), of whole images, of so many tokens each."""
    if len(tokens) == len(x) or not isinstance(layer, DropPath) or not layer.training:
        return layer(x)
    kept = layer(x.new_ones(len(tokens), 1))
    return x * kept.repeat_interleave(tokens, 0, output_size=x.shape[1])


def _merge_patches(merging: PatchMerging, x: Tensor) -> Tensor:
    """:meth:`PatchMerging.forward` for nested tokens, (b, T, C) to (b, T/4, C')."""
    batch, tokens, channels = x.shape
    # Four neighbours in memory; mmcv's weights want channel-major order.
    x = x.view(batch, tokens // 4, 4, channels).transpose(2, 3).flatten(2)
    if merging.norm is not None:
        x = merging.norm(x)
    return merging.reduction(x)
