"""The architecture of a backbone, read off the shapes of its weights."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from mmgreen.errors import UserError

from .converting import family_of, window_side
from .names import TWINS


@dataclass(frozen=True)
class SwinArchitecture:
    """What distinguishes one Swin from another.

    Attributes:
        embed_dims: Channels of the first stage.
        depths: Blocks of each stage.
        num_heads: Attention heads of each stage.
        windows: Side of each stage's window, in tokens.
    """

    embed_dims: int
    depths: tuple[int, ...]
    num_heads: tuple[int, ...]
    windows: tuple[int, ...]

    @classmethod
    def of(cls, weights: Mapping[str, Tensor]) -> 'SwinArchitecture':
        """Read it off the weights of a backbone by mmpretrain's names.

        Raises:
            UserError: If the weights are not those of a whole backbone.
        """
        blocks = Counter(
            int(m[1])
            for key in weights
            if (m := re.match(r'stages\.(\d+)\.blocks\.\d+\.attn\.w_msa\.qkv\.weight$', key))
        )
        stages = range(len(blocks))
        try:
            tables = [
                weights[f'stages.{i}.blocks.0.attn.w_msa.relative_position_bias_table']
                for i in stages
            ]
            return cls(
                embed_dims=len(weights['patch_embed.projection.weight']),
                depths=tuple(blocks[i] for i in stages),
                num_heads=tuple(table.shape[1] for table in tables),
                windows=tuple(map(window_side, tables)),
            )
        except KeyError as error:
            raise UserError(f"it lacks '{error.args[0]}', which every Swin has") from error

    @property
    def config(self) -> dict[str, Any]:
        """The settings of mmpretrain's SwinTransformer."""
        return dict(
            type='SwinTransformer',
            arch=dict(embed_dims=self.embed_dims, depths=self.depths, num_heads=self.num_heads),
            window_size=self.windows[0],
            stage_cfgs=[dict(window_size=window) for window in self.windows],
            img_size=self.image_size,
            out_indices=(len(self.depths) - 1,),
        )

    @property
    def image_size(self) -> int:
        """Side of the image, in pixels, whose last map is one window."""
        return 4 * int(2 ** (len(self.depths) - 1)) * self.windows[-1]

    def __str__(self) -> str:
        depths, heads, windows = (
            '-'.join(map(str, values)) for values in (self.depths, self.num_heads, self.windows)
        )
        return f'{self.embed_dims} channels, depths {depths}, heads {heads}, windows {windows}'


@dataclass(frozen=True)
class TwinsArchitecture:
    """What distinguishes one Twins from another.

    Numbers of heads and sides of windows cannot be told by the weights: they are taken
    to be those of all published models, 32 channels a head in SVT and 64 in PCPVT, and 7.

    Attributes:
        local: Whether it is SVT, with locally grouped attention, or PCPVT.
        embed_dims: Channels of each stage.
        depths: Blocks of each stage.
        mlp_ratios: Hidden over input channels of each stage's MLPs.
        sr_ratios: Side of what sub-sampled attention of each stage takes for one.
    """

    local: bool
    embed_dims: tuple[int, ...]
    depths: tuple[int, ...]
    mlp_ratios: tuple[int, ...]
    sr_ratios: tuple[int, ...]

    #: Side of the image, in pixels, whose maps are whole windows.
    image_size = 224

    @classmethod
    def of(cls, weights: Mapping[str, Tensor]) -> 'TwinsArchitecture':
        """Read it off the weights of a backbone by mmpretrain's names.

        Raises:
            UserError: If the weights are not those of a whole backbone.
        """
        names = (re.match(r'stages\.(\d+)\.\d+\.norm1\.weight$', key) for key in weights)
        blocks = Counter(int(m[1]) for m in names if m)
        stages = range(len(blocks))
        ratios = {
            int(m[1]): value.shape[-1]
            for key, value in weights.items()
            if (m := re.match(r'stages\.(\d+)\.\d+\.attn\.sr\.weight$', key))
        }
        try:
            return cls(
                local='stages.0.0.attn.qkv.weight' in weights,
                embed_dims=tuple(len(weights[f'stages.{i}.0.norm1.weight']) for i in stages),
                depths=tuple(blocks[i] for i in stages),
                mlp_ratios=tuple(
                    len(w) // w.shape[1]
                    for w in (weights[f'stages.{i}.0.ffn.layers.0.0.weight'] for i in stages)
                ),
                sr_ratios=tuple(ratios.get(i, 1) for i in stages),
            )
        except KeyError as error:
            raise UserError(f"it lacks '{error.args[0]}', which every Twins has") from error

    @property
    def num_heads(self) -> tuple[int, ...]:
        return tuple(max(1, channels // (32 if self.local else 64)) for channels in self.embed_dims)

    @property
    def config(self) -> dict[str, Any]:
        """The settings of mmpretrain's SVT or PCPVT."""
        count = len(self.depths)
        arch = dict(
            embed_dims=list(self.embed_dims),
            depths=list(self.depths),
            num_heads=list(self.num_heads),
            patch_sizes=[4, *[2] * (count - 1)],
            strides=[4, *[2] * (count - 1)],
            mlp_ratios=list(self.mlp_ratios),
            sr_ratios=list(self.sr_ratios),
        )
        if self.local:
            arch['window_sizes'] = [7] * count
        return dict(
            type='SVT' if self.local else 'PCPVT',
            arch=arch,
            qkv_bias=True,
            norm_after_stage=[*[False] * (count - 1), True],
            out_indices=(count - 1,),
        )

    def __str__(self) -> str:
        channels, depths = ('-'.join(map(str, v)) for v in (self.embed_dims, self.depths))
        return f'{"SVT" if self.local else "PCPVT"}, {channels} channels, depths {depths}'


def architecture_of(weights: Mapping[str, Tensor]) -> SwinArchitecture | TwinsArchitecture:
    """The architecture of the weights of a backbone by mmpretrain's names.

    Raises:
        UserError: If the weights are not those of a whole backbone.
    """
    kind = TwinsArchitecture if family_of(weights) is TWINS else SwinArchitecture
    return kind.of(weights)
