"""Multi-scale deformable attention, by mmcv's own function in plain torch."""

from functools import partial

from torch import Tensor

from .gradients import gradients


def ms_deform_attn_forward(
    value: Tensor,
    spatial_shapes: Tensor,
    level_start_index: Tensor,
    sampling_locations: Tensor,
    attention_weights: Tensor,
    im2col_step: int,
) -> Tensor:
    """Values at sampled locations, weighted
    (`Deformable DETR <https://arxiv.org/abs/2010.04159>`_, eq. 3).

    Args:
        value: (B, tokens of all levels, heads, channels a head).
        spatial_shapes: int64, (levels, 2), height and width.
        level_start_index: int64, (levels,); follows from the shapes.
        sampling_locations: (B, queries, heads, levels, points, 2), x and y, between 0 and 1.
        attention_weights: (B, queries, heads, levels, points).
        im2col_step: Not used.

    Returns:
        (B, queries, heads * channels).
    """
    return _attend(value, sampling_locations, attention_weights, shapes=spatial_shapes.tolist())


def ms_deform_attn_backward(
    value: Tensor,
    spatial_shapes: Tensor,
    level_start_index: Tensor,
    sampling_locations: Tensor,
    attention_weights: Tensor,
    grad_output: Tensor,
    grad_value: Tensor,
    grad_sampling_loc: Tensor,
    grad_attn_weight: Tensor,
    im2col_step: int,
) -> None:
    """Fill the gradients of values, locations and weights."""
    attend = partial(_attend, shapes=spatial_shapes.tolist())
    found = gradients(attend, (value, sampling_locations, attention_weights), grad_output)
    for target, gradient in zip(
        (grad_value, grad_sampling_loc, grad_attn_weight), found, strict=True
    ):
        target.copy_(gradient)


def _attend(value: Tensor, locations: Tensor, weights: Tensor, shapes: list) -> Tensor:
    from mmcv.ops.multi_scale_deform_attn import multi_scale_deformable_attn_pytorch

    return multi_scale_deformable_attn_pytorch(value, shapes, locations, weights)
