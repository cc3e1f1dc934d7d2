"""Decoder of GreenMIM: from visible latents to pixels of every unit."""

import torch
from mmcv.cnn import build_norm_layer
from mmengine.model import BaseModule
from mmpretrain.models.backbones.vision_transformer import TransformerEncoderLayer
from mmpretrain.models.utils import build_2d_sincos_position_embedding
from torch import Tensor, nn

from mmgreen.errors import UserError
from mmgreen.registry import MODELS


def sincos_positions(height: int, width: int, embed_dim: int) -> Tensor:
    """Fixed 2-D sin-cos positions as in MAE, (1, height * width, embed_dim), row-major.

    The first half of the channels encodes the column, the second the row.
    mmpretrain's function runs over columns first; the rest is the same.
    """
    positions = build_2d_sincos_position_embedding((height, width), embed_dim)
    return positions.view(width, height, embed_dim).transpose(0, 1).reshape(1, -1, embed_dim)


@MODELS.register_module()
class GreenMIMDecoder(BaseModule):
    """MAE-style decoder over mask units (GreenMIM, section 3.4; MAE, section 3).

    Each visible latent goes to its own unit, a learned mask token to every
    other; fixed positions are added, a few transformer blocks follow, and a
    linear layer predicts the pixels of each unit.

    Args:
        embed_dim: Channels of the latents, 1024 for Swin-B.
        decoder_embed_dim: Channels of the decoder, divisible by 4 and by the
            number of heads.
        decoder_depth: Transformer blocks.
        decoder_num_heads: Heads of each block.
        mlp_ratio: Hidden over input channels of each block's MLP.
        patch_size: Side of a unit in pixels, the stride of the backbone.
        in_chans: Channels of the image.
        norm_cfg: Normalisation layers.
        init_cfg: Initialisation.

    Raises:
        UserError: If ``decoder_embed_dim`` is not divisible as said above.
    """

    def __init__(
        self,
        embed_dim: int = 1024,
        decoder_embed_dim: int = 512,
        decoder_depth: int = 1,
        decoder_num_heads: int = 16,
        mlp_ratio: float = 4.0,
        patch_size: int = 32,
        in_chans: int = 3,
        norm_cfg: dict = dict(type='LN', eps=1e-6),
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if decoder_embed_dim % 4 or decoder_embed_dim % decoder_num_heads:
            raise UserError(
                f'decoder_embed_dim {decoder_embed_dim} must be divisible by 4 and by '
                f'decoder_num_heads {decoder_num_heads}'
            )
        self.decoder_embed = nn.Linear(embed_dim, decoder_embed_dim)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, decoder_embed_dim))
        self.decoder_blocks = nn.ModuleList(
            TransformerEncoderLayer(
                decoder_embed_dim,
                decoder_num_heads,
                int(mlp_ratio * decoder_embed_dim),
                norm_cfg=norm_cfg,
            )
            for _ in range(decoder_depth)
        )
        self.decoder_norm = build_norm_layer(norm_cfg, decoder_embed_dim)[1]
        self.decoder_pred = nn.Linear(decoder_embed_dim, patch_size**2 * in_chans)
        self._positions: dict[tuple[int, int, torch.device], Tensor] = {}

    def init_weights(self) -> None:
        """Initialise as configured, the mask token from a normal of deviation 0.02."""
        super().init_weights()
        nn.init.normal_(self.mask_token, std=0.02)

    def positions(self, height: int, width: int, device: torch.device) -> Tensor:
        """:func:`sincos_positions` of a grid of units, kept for the next step."""
        key = (height, width, device)
        if key not in self._positions:
            embed_dim = self.mask_token.shape[-1]
            positions = sincos_positions(height, width, embed_dim)
            self._positions[key] = positions.to(device, non_blocking=True)
        return self._positions[key]

    def forward(
        self,
        x: Tensor,
        restore: Tensor,
        grid: tuple[int, int],
        units: Tensor | None = None,
    ) -> Tensor:
        """Predict the pixels of units.

        Args:
            x: Latents of the visible units, (B, V, embed_dim), row-major.
            restore: int32, (1 or B, h*w): for each unit the place of its latent
                in ``x``, or V where it is masked (``Layout.restore``).
            grid: Units per column and per row, (h, w).
            units: int32, (1 or B, U), the units to predict; all by default.

        Returns:
            (B, U, patch_size**2 * in_chans), a unit's vector ordered row,
            column, channel.
        """
        x = self.decoder_embed(x)
        # The mask token stands last, at place V.
        x = torch.cat([x, self.mask_token.to(x.dtype).expand(len(x), 1, -1)], dim=1)
        sample = torch.arange(len(x), device=x.device)[:, None]
        x = x[sample, restore]  # [B, units, C]
        x = x + self.positions(*grid, x.device)
        for block in self.decoder_blocks:
            x = block(x)
        if units is not None:
            x = x[sample, units]
        return self.decoder_pred(self.decoder_norm(x))
