"""The architecture of a Swin, read off the shapes of its weights."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from mmgreen.errors import UserError

from .formats import window_side


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
            raise UserError(f"it lacks '{error.args[0]}', without which it is no Swin") from error

    @property
    def arch(self) -> dict[str, int | tuple[int, ...]]:
        """The ``arch`` setting of mmpretrain's SwinTransformer."""
        return dict(embed_dims=self.embed_dims, depths=self.depths, num_heads=self.num_heads)

    @property
    def image_size(self) -> int:
        """Side of the image, in pixels, whose last map is one window."""
        return 4 * int(2 ** (len(self.depths) - 1)) * self.windows[-1]

    def __str__(self) -> str:
        depths, heads, windows = (
            '-'.join(map(str, values)) for values in (self.depths, self.num_heads, self.windows)
        )
        return f'{self.embed_dims} channels, depths {depths}, heads {heads}, windows {windows}'
