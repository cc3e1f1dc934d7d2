"""Twins with a sparse way through the same parameters."""

from collections.abc import Iterable, Sequence

import torch.nn.functional as F
from mmcv.cnn.bricks.transformer import PatchEmbed
from mmpretrain.models import PCPVT, SVT
from mmpretrain.models.backbones.twins import (
    GlobalSubsampledAttention,
    GSAEncoderLayer,
    LSAEncoderLayer,
)
from mmpretrain.models.utils import ConditionalPositionEncoding
from torch import Tensor, nn

from mmgreen.errors import UserError
from mmgreen.models.layers import linear, linear_after, norm_and_mlp
from mmgreen.registry import MODELS
from mmgreen.sparse import Layout, Window, Windows, group_window_attention, pair_bias

from .green_backbone import GreenBackbone


class _SparseTwins(GreenBackbone):
    """The sparse path of both kinds of Twins.

    Sub-sampled attention takes its keys and values from a convolution whose kernel is
    one mask unit at every stage, so that units of other sizes have no sparse path.
    """

    def patch_layers(self) -> Sequence[nn.Module]:
        return [embed.projection for embed in self.patch_embeds]

    @property
    def channels(self) -> list[int]:
        return [stage[0].norm1.normalized_shape[0] for stage in self.stages]

    @property
    def unit_sizes(self) -> list[int]:
        """The stride alone, 32 pixels by default.

        Raises:
            UserError: If the kernel of a stage's sub-sampled attention is not one unit.
        """
        for i, ratio in enumerate(self.sr_ratios):
            if ratio << i != self.stride // self.patch_size:
                raise UserError(
                    f'{type(self).__name__} masks units of {self.stride} pixels, and one sub-sampled '
                    f'position of stage {i + 1} takes {ratio * (self.patch_size << i)}: leave '
                    "arch's sr_ratios as they are"
                )
        return [self.stride]

    def windows_of_blocks(self, map_size: tuple[int, int], stage: int) -> list[Window | None]:
        return [
            _window(block, map_size) if isinstance(block, LSAEncoderLayer) else None
            for block in self.stages[stage]
        ]

    def forward_sparse(
        self, x: Tensor, layout: Layout, stand_ins: Iterable[Tensor] = ()
    ) -> tuple[Tensor, ...]:
        lists = len(x) if layout.num_masks == 1 else 1
        maps = self.map_sizes((x.shape[2], x.shape[3]))
        x = self.embed_visible(x, layout, self.patch_embeds[0])  # [B, tokens, C]

        outs = []
        for i, (stage, (height, width)) in enumerate(zip(self.stages, maps, strict=True)):
            if i > 0:
                x = _join_fours(self.patch_embeds[i], x)
            x = self.position_encoding_drops[i](x)
            # A token of this stage stands where the first of those that it holds does.
            rows, cols = (c[:, :: 4**i] >> i for c in (layout.rows, layout.cols))
            places = (rows * width + cols).long()
            biases: dict[Window, Tensor] = {}
            for j, (block, window) in enumerate(
                zip(stage, self.windows_of_blocks((height, width), i), strict=True)
            ):
                if window is None:
                    x = _forward_global(block, x)
                else:
                    windows = layout.windows[i, window]
                    if window not in biases:
                        biases[window] = _no_bias(x, block, windows)
                    x = _forward_local(block, x, windows, biases[window])
                if j == 0:
                    x = _encode_positions(self.position_encodings[i], x, places, (height, width))
            x = getattr(self, f'norm_after_stage{i}')(x)
            if i in self.out_indices:
                outs.append(x.reshape(lists, -1, x.shape[2]))
        return tuple(outs)


@MODELS.register_module()
class GreenTwins(_SparseTwins, SVT):
    """mmpretrain's Twins-SVT that can skip what is masked (:class:`GreenBackbone`).

    Args:
        **kwargs: See :class:`mmpretrain.models.SVT` and :class:`GreenBackbone`.
    """


@MODELS.register_module()
class GreenPCPVT(_SparseTwins, PCPVT):
    """mmpretrain's Twins-PCPVT that can skip what is masked (:class:`GreenBackbone`).

    Args:
        **kwargs: See :class:`mmpretrain.models.PCPVT` and :class:`GreenBackbone`.
    """


def _window(block: LSAEncoderLayer, map_size: tuple[int, int]) -> Window:
    """Windows of locally grouped attention, whose tokens attend to a map's padding in some cases.

    mmpretrain masks the padding only where both height and width are padded.
    """
    side = block.attn.window_size
    padded = [size % side > 0 for size in map_size]
    return Window(side, beyond=not all(padded))


def _no_bias(x: Tensor, block: LSAEncoderLayer, windows: Windows) -> Tensor:
    """Zero within windows, minus infinity between them."""
    table = x.new_zeros(
        (2 * windows.side - 1) ** 2, block.attn.qkv.out_features // 3 // _head(block)
    )
    (bias,) = pair_bias([table], windows)
    return bias


def _head(block: LSAEncoderLayer) -> int:
    """Channels of a head."""
    return round(block.attn.scale**-2)


def _forward_local(block: LSAEncoderLayer, x: Tensor, windows: Windows, bias: Tensor) -> Tensor:
    """:meth:`LSAEncoderLayer.forward` for visible tokens, (B, N, C) to (B, N, C)."""
    attn = block.attn
    attended = group_window_attention(
        linear_after(block.norm1, x, attn.qkv),
        bias,
        windows,
        scale=attn.scale,
        dropout=attn.attn_drop.p if block.training else 0.0,
        beyond=attn.qkv.bias,
    )
    x = x + block.drop_path(attn.proj_drop(linear(attended, attn.proj)))
    return _add_mlp(block, x)


def _forward_global(block: GSAEncoderLayer, x: Tensor) -> Tensor:
    """:meth:`GSAEncoderLayer.forward` for visible tokens, (B, N, C) to (B, N, C)."""
    attn = block.attn
    y = block.norm1(x)
    q = attn.q(y).unflatten(2, (attn.num_heads, -1)).transpose(1, 2)
    if attn.sr_ratio > 1:
        y = attn.norm(_subsample(attn, y))
    k, v = attn.kv(y).unflatten(2, (2, attn.num_heads, -1)).permute(2, 0, 3, 1, 4)
    dropout = attn.attn_drop if block.training else 0.0
    out = attn.scaled_dot_product_attention(q, k, v, dropout_p=dropout)
    out = attn.proj(out.transpose(1, 2).flatten(2))
    x = x + block.drop_path(attn.out_drop(attn.proj_drop(out)))
    return _add_mlp(block, x)


def _subsample(attn: GlobalSubsampledAttention, x: Tensor) -> Tensor:
    """The convolution whose kernel is one unit, (B, N, C) to (B, units, C).

    A unit's tokens are neighbours in memory, in quad order: it is a linear layer.
    """
    weight = attn.sr.weight  # [C, C, side, side]
    bits = attn.sr_ratio.bit_length() - 1
    order = [d + bits * which for d in range(2, 2 + bits) for which in (0, 1)]
    weight = weight.reshape(*weight.shape[:2], *[2] * (2 * bits)).permute(0, *order, 1)
    x = x.reshape(len(x), -1, attn.sr_ratio**2 * x.shape[2])
    return F.linear(x, weight.flatten(1), attn.sr.bias)


def _add_mlp(block: LSAEncoderLayer | GSAEncoderLayer, x: Tensor) -> Tensor:
    mlp = norm_and_mlp(block.norm2, block.ffn, x)
    return x + block.drop_path(block.ffn.dropout_layer(mlp))


def _encode_positions(
    encoding: ConditionalPositionEncoding, x: Tensor, places: Tensor, map_size: tuple[int, int]
) -> Tensor:
    """The depthwise convolution, and what it is added to, over a map with zeros where masked.

    Args:
        x: (B, N, C).
        places: (1 or B, N) int64, of the tokens on the map, row-major.
    """
    index = places[:, :, None].expand_as(x)
    canvas = x.new_zeros(len(x), map_size[0] * map_size[1], x.shape[2])
    return encoding(canvas.scatter(1, index, x), map_size).gather(1, index)


def _join_fours(embed: PatchEmbed, x: Tensor) -> Tensor:
    """:class:`PatchEmbed` of 2x2 tokens for nested tokens, (B, N, C) to (B, N/4, C')."""
    batch, tokens, channels = x.shape
    x = x.view(batch, tokens // 4, 4, channels).transpose(2, 3).flatten(2)
    x = F.linear(x, embed.projection.weight.flatten(1), embed.projection.bias)
    return x if embed.norm is None else embed.norm(x)
