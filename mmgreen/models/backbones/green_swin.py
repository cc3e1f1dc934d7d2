"""Swin Transformer with a sparse way through the same parameters."""

from collections.abc import Iterable, Sequence
from typing import Any

from mmcv.cnn.bricks import DropPath
from mmcv.cnn.bricks.transformer import PatchMerging
from mmpretrain.models import SwinTransformer
from mmpretrain.models.backbones.swin_transformer import SwinBlock
from mmpretrain.models.utils import resize_pos_embed
from mmpretrain.models.utils.attention import WindowMSA
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from mmgreen.errors import UserError
from mmgreen.models.layers import WindowAttention, linear, linear_after, norm_and_mlp
from mmgreen.registry import MODELS
from mmgreen.sparse import (
    Layout,
    Window,
    Windows,
    fill_places,
    group_window_attention,
    pair_bias,
)

from .green_backbone import GreenBackbone


@MODELS.register_module()
class GreenSwinTransformer(GreenBackbone, SwinTransformer):
    """mmpretrain's Swin Transformer that can skip what is masked (:class:`GreenBackbone`).

    Its attention keeps no matrix on either path (:class:`mmgreen.models.layers.WindowAttention`).

    Args:
        *args: See :class:`mmpretrain.models.SwinTransformer`.
        **kwargs: See :class:`mmpretrain.models.SwinTransformer` and
            :class:`GreenBackbone`.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for stage in self.stages:
            for block in stage.blocks:
                # mmpretrain's blocks make it themselves; a kind of one's own stays.
                if type(block.attn.w_msa) is WindowMSA:
                    block.attn.w_msa.__class__ = WindowAttention

    def patch_layers(self) -> Sequence[nn.Module]:
        mergings = [s.downsample.sampler for s in self.stages if s.downsample is not None]
        return [self.patch_embed.projection, *mergings]

    @property
    def channels(self) -> list[int]:
        return [stage.blocks[0].norm1.normalized_shape[0] for stage in self.stages]

    @property
    def unit_sizes(self) -> list[int]:
        """Sides of a mask unit that :meth:`forward` takes, in pixels: 32, 16, 8 and 4 by default."""
        return [self.patch_size << i for i in reversed(range(self.num_layers))]

    def windows_of_blocks(self, map_size: tuple[int, int], stage: int) -> list[Window | None]:
        return [_window(block, map_size, stage) for block in self.stages[stage].blocks]

    def channels_that_miss(self, unit_size: int) -> list[int]:
        # After a merging tokens are twice as large, and may be partly visible.
        return [
            stage.downsample.in_channels
            for i, stage in enumerate(self.stages)
            if stage.downsample is not None and self.patch_size << i >= unit_size
        ]

    def forward_sparse(
        self, x: Tensor, layout: Layout, stand_ins: Iterable[Tensor] = ()
    ) -> tuple[Tensor, ...]:
        stand_ins = iter(stand_ins)
        maps = self.map_sizes((x.shape[2], x.shape[3]))
        x = self._embed_visible(x, layout)  # [B or 1, tokens, C]

        outs = []
        for i, stage in enumerate(self.stages):
            patterns = [
                layout.windows[i, window] for window in self.windows_of_blocks(maps[i], i) if window
            ]
            biases = _stage_biases(stage.blocks, patterns)
            for block, windows, bias in zip(stage.blocks, patterns, biases, strict=True):
                x = _forward_block(block, x, windows, bias, layout.tokens[i])
            merged = x
            if stage.downsample is not None:
                merge = layout.merges[i]
                if merge is not None:
                    stand_in = next(stand_ins, None)
                    if stand_in is None:
                        stand_in = x.new_zeros(x.shape[2])
                    merged = fill_places(x, merge, stand_in)
                merged = _merge_fours(stage.downsample, merged)
            if i in self.out_indices:
                outs.append(getattr(self, f'norm{i}')(merged if self.out_after_downsample else x))
            x = merged
        return tuple(outs)

    def _embed_visible(self, x: Tensor, layout: Layout) -> Tensor:
        """Tokens of the first stage in lists, (B, N, C) or (1, B*N, C)."""
        grid = tuple(size // self.patch_size for size in x.shape[2:])
        x = self.embed_visible(x, layout, self.patch_embed)
        if self.use_abs_pos_embed:
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


def _window(block: SwinBlock, map_size: tuple[int, int], stage: int) -> Window:
    """The windows of a block on a map, by the rules of ShiftWindowMSA."""
    attn, smallest = block.attn, min(map_size)
    if attn.pad_small_map or smallest > attn.window_size:
        return Window(attn.window_size, attn.shift_size)
    if smallest == attn.window_size:
        return Window(attn.window_size)
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
    block: SwinBlock, x: Tensor, windows: Windows, bias: Tensor, tokens: Tensor
) -> Tensor:
    """:meth:`SwinBlock.forward` for visible tokens, (b, T, C) to (b, T, C)."""
    msa = block.attn.w_msa

    def inner(x: Tensor) -> Tensor:
        attended = group_window_attention(
            linear_after(block.norm1, x, msa.qkv),
            bias,
            windows,
            scale=msa.scale,
            dropout=msa.attn_drop.p if block.training else 0.0,
            beyond=msa.qkv.bias,
        )
        x = x + _drop_path(block.attn.drop, msa.proj_drop(linear(attended, msa.proj)), tokens)
        return x + _drop_path(
            block.ffn.dropout_layer, norm_and_mlp(block.norm2, block.ffn, x), tokens
        )

    if block.with_cp and x.requires_grad:
        return checkpoint(inner, x, use_reentrant=False)
    return inner(x)


def _drop_path(layer: nn.Module, x: Tensor, tokens: Tensor) -> Tensor:
    """Drop the branch ``x``, (b, T, C), of whole images; ``tokens`` of each mask, (M,)."""
    if len(tokens) == 1 or not isinstance(layer, DropPath) or not layer.training:
        return layer(x)
    kept = layer(x.new_ones(len(tokens), 1))
    return x * kept.repeat_interleave(tokens, 0, output_size=x.shape[1])


def _merge_fours(merging: PatchMerging, x: Tensor) -> Tensor:
    """:meth:`PatchMerging.forward` for nested tokens, (b, T, C) to (b, T/4, C')."""
    batch, tokens, channels = x.shape
    # Four neighbours in memory; mmcv's weights want channel-major order.
    x = x.view(batch, tokens // 4, 4, channels).transpose(2, 3).flatten(2)
    if merging.norm is None:
        return linear(x, merging.reduction)
    return linear_after(merging.norm, x, merging.reduction)
