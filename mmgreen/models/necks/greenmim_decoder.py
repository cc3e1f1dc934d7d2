"""Decoder of GreenMIM: from visible latents to what every token of the last stage should show."""

import torch
from mmcv.cnn import build_norm_layer
from mmengine.model import BaseModule
from mmpretrain.models.backbones.vision_transformer import TransformerEncoderLayer
from mmpretrain.models.utils import build_2d_sincos_position_embedding
from torch import Tensor, nn

from mmgreen.errors import UserError
from mmgreen.registry import MODELS
from mmgreen.sparse import Places, fill_places


def sincos_positions(height: int, width: int, embed_dim: int) -> Tensor:
    """Fixed 2-D sin-cos positions as in MAE, (1, height * width, embed_dim), row-major.

    The first half of the channels encodes the column, the second the row.
    mmpretrain's function runs over columns first; the rest is the same.
    """
    positions = build_2d_sincos_position_embedding((height, width), embed_dim)
    return positions.view(width, height, embed_dim).transpose(0, 1).reshape(1, -1, embed_dim)


@MODELS.register_module()
class GreenMIMDecoder(BaseModule):
    """MAE-style decoder over tokens of the last stage (GreenMIM, section 3.4; MAE, section 3).

    Each visible latent goes to its own place, a learned mask token to every
    other; fixed positions are added, a few transformer blocks follow, and a
    linear layer predicts the values of each, which are its pixels unless a head says otherwise.

    Args:
        embed_dim: Channels of the latents, 1024 for Swin-B.
        decoder_embed_dim: Channels of the decoder, divisible by 4 and by the
            number of heads.
        decoder_depth: Transformer blocks.
        decoder_num_heads: Heads of each block.
        mlp_ratio: Hidden over input channels of each block's MLP.
        patch_size: Pixels along a side of a token, the stride of the backbone.
        in_chans: Channels of the image.
        values: What is predicted of a token, so many numbers; by default its pixels.
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
        values: int | None = None,
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
        self.decoder_pred = nn.Linear(decoder_embed_dim, values or patch_size**2 * in_chans)
        self._positions: dict[tuple[int, int, torch.device], Tensor] = {}

    def init_weights(self) -> None:
        """Initialise as configured, the mask token from a normal of deviation 0.02."""
        super().init_weights()
        nn.init.normal_(self.mask_token, std=0.02)

    def positions(self, height: int, width: int, device: torch.device) -> Tensor:
        """:func:`sincos_positions` of a grid, kept for the next step."""
        key = (height, width, device)
        if key not in self._positions:
            embed_dim = self.mask_token.shape[-1]
            positions = sincos_positions(height, width, embed_dim)
            self._positions[key] = positions.to(device, non_blocking=True)
        return self._positions[key]

    def forward(
        self,
        x: Tensor,
        restore: Places,
        grid: tuple[int, int],
        hidden: Tensor | None = None,
    ) -> Tensor:
        """Predict the values of tokens.

        Args:
            x: Latents of the visible tokens, as the backbone gives them: (B, V,
                embed_dim) under a shared mask, (1, those of all images, embed_dim)
                under a mask for each.
            restore: Where they stand among h*w or B*h*w tokens (``Layout.restore``).
            grid: Tokens per column and per row, (h, w).
            hidden: int32, (n,), the tokens to predict, of h*w or B*h*w
                (``Layout.hidden``); all by default.

        Returns:
            (B or 1, n, values), a token's pixels ordered row, column, channel, or else the values
            of its units, row by row.
        """
        x = self.decoder_embed(x)
        lists, channels = len(x), x.shape[2]
        x = fill_places(x, restore, self.mask_token[0, 0])
        x = x.view(-1, grid[0] * grid[1], channels)
        x = x + self.positions(*grid, x.device)
        for block in self.decoder_blocks:
            x = block(x)
        x = x.reshape(lists, -1, channels)
        if hidden is not None:
            x = x.index_select(1, hidden)
        return self.decoder_pred(self.decoder_norm(x))
