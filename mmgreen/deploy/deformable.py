"""Deformable attention over maps of any size, in one exported program."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmcv.ops import MultiScaleDeformableAttention
from mmdet.models.detectors import DINO
from mmdet.models.layers import MSDeformAttnPixelDecoder
from mmdet.models.layers.transformer import DeformableDetrTransformerEncoder
from torch import Tensor, nn

from mmgreen.errors import UserError

#: Heights and widths of maps.
Shapes = Sequence[tuple[int, int]]


class SymbolicDeformableAttention(MultiScaleDeformableAttention):
    """mmcv's attention (Deformable DETR, equation 3), told sizes of maps as numbers, which stay symbols.

    mmcv reads them from a tensor, whose values an exported program does not know.
    """

    def forward(
        self,
        query: Tensor,
        value: Tensor | None = None,
        identity: Tensor | None = None,
        query_pos: Tensor | None = None,
        key_padding_mask: Tensor | None = None,
        reference_points: Tensor | None = None,
        spatial_shapes: Shapes = (),
        **kwargs: Any,
    ) -> Tensor:
        """See mmcv's.

        Args:
            query: (B, Q, C).
            value: (B, K, C), places of all maps in a row.
            identity: What is added to the result.
            query_pos: (B, Q, C).
            key_padding_mask: (B, K), of places beyond the images.
            reference_points: (B, Q, maps, 2 or 4), shares of the images.
            spatial_shapes: Of the maps.
            **kwargs: Not used.
        """
        assert reference_points is not None
        value = query if value is None else value
        identity = query if identity is None else identity
        query = query if query_pos is None else query + query_pos
        images, count = query.shape[:2]
        heads, levels, points = self.num_heads, self.num_levels, self.num_points
        value = self.value_proj(value)
        if key_padding_mask is not None:
            value = value.masked_fill(key_padding_mask[..., None], 0.0)
        value = value.unflatten(2, (heads, -1)).permute(0, 2, 3, 1).flatten(0, 1)  # (B heads, C, K)
        offsets = self.sampling_offsets(query).view(images, count, heads, levels, points, 2)
        weights = self.attention_weights(query).view(images, count, heads, levels * points)
        centres = reference_points[:, :, None, :, None, :2]
        if reference_points.shape[-1] == 2:
            where = centres + offsets / _sides(spatial_shapes, query.device)[:, None]
        else:
            where = centres + offsets / points * reference_points[:, :, None, :, None, 2:] * 0.5
        grids = (
            (2 * where - 1).permute(0, 2, 1, 3, 4, 5).flatten(0, 1)
        )  # (B heads, Q, maps, points, 2)
        begin, seen = 0, []
        for level, (height, width) in enumerate(spatial_shapes):
            map_ = value[:, :, begin : begin + height * width].unflatten(2, (height, width))
            seen.append(F.grid_sample(map_, grids[:, :, level], align_corners=False))
            begin += height * width
        each = weights.softmax(-1).transpose(1, 2).flatten(0, 1)[:, None]
        out = (torch.cat(seen, -1) * each).sum(-1)  # (B heads, C, Q)
        out = out.view(images, -1, count).transpose(1, 2)
        result: Tensor = self.output_proj(out) + identity
        return result


class SymbolicEncoder(DeformableDetrTransformerEncoder):
    """mmdet's encoder, told sizes of maps as numbers."""

    @staticmethod
    def get_encoder_reference_points(
        spatial_shapes: Shapes, valid_ratios: Tensor, device: torch.device | str
    ) -> Tensor:
        points = torch.cat(
            [
                _points(shape, device) / _sides([shape], device) / valid_ratios[:, None, level]
                for level, shape in enumerate(spatial_shapes)
            ],
            1,
        )
        return points[:, :, None] * valid_ratios[:, None]


class SymbolicPixelDecoder(MSDeformAttnPixelDecoder):
    """Mask2Former's pixel decoder, told sizes of maps as numbers."""

    def forward(self, feats: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """See mmdet's: from maps, fine to coarse, to that of masks, and those of the decoder, coarse to fine."""
        images = feats[0].shape[0]
        coarse = list(feats[::-1][: self.num_encoder_levels])
        shapes = [(x.shape[2], x.shape[3]) for x in coarse]
        seen, places = [], []
        for level, (x, shape) in enumerate(zip(coarse, shapes, strict=True)):
            inside = x.new_zeros((images, *shape), dtype=torch.bool)
            place = (
                self.postional_encoding(inside) + self.level_encoding.weight[level][:, None, None]
            )
            seen.append(self.input_convs[level](x).flatten(2).transpose(1, 2))
            places.append(place.flatten(2).transpose(1, 2))
        device = seen[0].device
        points = torch.cat([_points(shape, device) / _sides([shape], device) for shape in shapes])
        memory = self.encoder(
            query=torch.cat(seen, 1),
            query_pos=torch.cat(places, 1),
            key_padding_mask=None,
            spatial_shapes=shapes,
            level_start_index=None,
            valid_ratios=None,
            reference_points=points[None, :, None].expand(images, -1, len(shapes), -1),
        )
        memory, begin, outs = memory.transpose(1, 2), 0, []
        for height, width in shapes:
            outs.append(memory[..., begin : begin + height * width].unflatten(2, (height, width)))
            begin += height * width
        for x, lateral, output in zip(
            feats[: -len(coarse)][::-1], self.lateral_convs, self.output_convs, strict=True
        ):
            x = lateral(x)
            x = x + F.interpolate(outs[-1], x.shape[2:], mode='bilinear', align_corners=False)
            outs.append(output(x))
        return self.mask_feature(outs[-1]), outs[: self.num_outs]


class SymbolicDINO(DINO):
    """mmdet's detector, told sizes of maps as numbers."""

    def gen_encoder_output_proposals(
        self, memory: Tensor, memory_mask: Tensor, spatial_shapes: Shapes
    ) -> tuple[Tensor, Tensor]:
        """See mmdet's: each place of the maps as a box, before the sigmoid, and what the head is to see of it.

        Args:
            memory: (B, K, C), places of all maps in a row.
            memory_mask: (B, K), of places beyond the images.
            spatial_shapes: Of the maps.
        """
        begin, each = 0, []
        for level, (height, width) in enumerate(spatial_shapes):
            inside = ~memory_mask[:, begin : begin + height * width].unflatten(1, (height, width))
            sides = torch.stack([inside[:, 0].sum(1), inside[:, :, 0].sum(1)], 1)
            centres = _points((height, width), memory.device) / sides[:, None]
            each.append(torch.cat([centres, torch.full_like(centres, 0.05 * 2**level)], 2))
            begin += height * width
        boxes = torch.cat(each, 1)
        none = memory_mask[..., None] | ~((boxes > 0.01) & (boxes < 0.99)).all(2, keepdim=True)
        seen = self.memory_trans_norm(self.memory_trans_fc(memory.masked_fill(none, 0.0)))
        return seen, (boxes / (1 - boxes)).log().masked_fill(none, torch.inf)


_SYMBOLIC: dict[type[nn.Module], Any] = {
    DINO: SymbolicDINO,
    MultiScaleDeformableAttention: SymbolicDeformableAttention,
    DeformableDetrTransformerEncoder: SymbolicEncoder,
    MSDeformAttnPixelDecoder: SymbolicPixelDecoder,
}


def make_deformable_symbolic(model: nn.Module) -> None:
    """Replace deformable attention, and what tells it the sizes of maps, in a model, in place.

    Raises:
        UserError: If its batch is not first.
    """
    for module in model.modules():
        if type(module) in _SYMBOLIC:
            if not getattr(module, 'batch_first', True):
                raise UserError(
                    'deformable attention that has the batch second cannot be exported: set batch_first=True'
                )
            module.__class__ = _SYMBOLIC[type(module)]


def _points(shape: tuple[int, int], device: torch.device | str) -> Tensor:
    """Centres of a map's places, (H * W, 2), from left and top, in places."""
    height, width = shape
    x, y = (torch.arange(side, device=device) + 0.5 for side in (width, height))
    return torch.stack([x.expand(height, -1), y[:, None].expand(-1, width)], -1).flatten(0, 1)


def _sides(shapes: Shapes, device: torch.device | str) -> Tensor:
    """Width and height of maps, (maps, 2)."""
    one = torch.ones((), device=device)
    return torch.stack([one * side for h, w in shapes for side in (w, h)]).view(-1, 2)
