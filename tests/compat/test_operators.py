"""Stand-ins for mmcv's operators against independent references, forward and backward.

Most are called by mmcv's own modules; what these refuse on a CPU is called as they would call it.
"""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import torchvision
from mmcv import ops
from mmcv.ops.multi_scale_deform_attn import (
    MultiScaleDeformableAttnFunction,
    multi_scale_deformable_attn_pytorch,
)
from mmcv.utils import ext_loader

from mmgreen.compat import operators

pytestmark = pytest.mark.skipif(
    ext_loader.load_ext('_ext', ['nms']).__spec__.origin is not None,
    reason='mmcv is compiled here: the stand-ins are not used',
)
AUTOCAST = pytest.mark.parametrize('autocast', [False, True])


def agree(ours, reference, inputs, autocast=False, tolerance=1e-5):
    """Values and gradients of two functions of the same inputs."""
    found = []
    for function, mixed in ((ours, autocast), (reference, False)):
        leaves = [x.detach().clone().requires_grad_() for x in inputs]
        with torch.autocast('cpu', torch.bfloat16, enabled=mixed):
            value = function(*leaves)
        weight = torch.randn(value.shape, generator=torch.Generator().manual_seed(0))
        found.append([value, *torch.autograd.grad((value.float() * weight).sum(), leaves)])
    tolerance = 0.05 if autocast else tolerance
    for mine, theirs in zip(*found, strict=True):
        torch.testing.assert_close(mine.float(), theirs, atol=tolerance, rtol=tolerance)


@AUTOCAST
@pytest.mark.parametrize('weighted', [False, True])
def test_sigmoid_focal_loss(autocast, weighted):
    logits, target = 4 * torch.randn(30, 5), torch.randint(0, 6, (30,))  # 5 is background
    weight = torch.rand(5) if weighted else None

    def written_out(x):
        x, loss = x.double(), torch.zeros(30, 5, dtype=torch.double)
        for n in range(30):
            for c in range(5):
                p = 1 / (1 + torch.exp(-x[n, c]))
                if target[n] == c:
                    loss[n, c] = -0.3 * (1 - p) ** 1.5 * torch.log(p)
                else:
                    loss[n, c] = -0.7 * p**1.5 * torch.log(1 - p)
                if weighted and target[n] < 5:
                    loss[n, c] = loss[n, c] * weight[target[n]]
        return loss.sum().float() / 30

    agree(
        lambda x: ops.sigmoid_focal_loss(x, target, 1.5, 0.3, weight, 'mean'),
        written_out,
        [logits],
        autocast,
    )


def test_focal_losses_of_extreme_logits_are_finite():
    logits = torch.tensor([[100.0, -100.0], [-100.0, 100.0]], requires_grad=True)
    target = torch.tensor([1, 1])
    for loss in (ops.sigmoid_focal_loss, ops.softmax_focal_loss):
        value = loss(logits, target, 2.0, 0.25, None, 'sum')
        (gradient,) = torch.autograd.grad(value, logits)
        assert torch.isfinite(value)
        assert torch.isfinite(gradient).all()


@pytest.mark.parametrize('weighted', [False, True])
def test_softmax_focal_loss(weighted):
    target = torch.randint(0, 4, (25,))
    weight = torch.rand(4) if weighted else None

    def written_out(x):
        p = x.softmax(1)[range(25), target]
        loss = -0.4 * (1 - p) ** 2 * p.log()
        return (loss * (weight[target] if weighted else 1)).sum()

    agree(
        lambda x: ops.softmax_focal_loss(x, target, 2.0, 0.4, weight, 'sum'),
        written_out,
        [torch.randn(25, 4)],
    )


@AUTOCAST
def test_deformable_attention(autocast):
    shapes = torch.tensor([[6, 5], [3, 2]])
    starts = torch.tensor([0, 30])
    inputs = [
        torch.randn(2, 36, 4, 8),
        torch.rand(2, 7, 4, 2, 3, 2) * 1.2 - 0.1,  # some outside
        torch.rand(2, 7, 4, 2, 3).flatten(3).softmax(3).view(2, 7, 4, 2, 3),
    ]
    agree(
        lambda v, s, a: MultiScaleDeformableAttnFunction.apply(v, shapes, starts, s, a, 64),
        lambda v, s, a: multi_scale_deformable_attn_pytorch(v, shapes, s, a),
        inputs,
        autocast,
    )


CONVOLUTIONS = pytest.mark.parametrize(
    ('groups', 'offset_groups', 'stride', 'padding', 'dilation'),
    [(1, 1, 1, 1, 1), (2, 1, 2, 0, 1), (1, 2, 1, (2, 1), 2)],
)


def sampled(x, offset, mask, weight, stride, padding, dilation, offset_groups, groups):
    """A deformable convolution written out, tap by tap, by bilinear sampling."""
    batch, channels, height, width = x.shape
    out_h, out_w = offset.shape[2:]
    taps = []
    rows, columns = torch.meshgrid(torch.arange(out_h), torch.arange(out_w), indexing='ij')
    for ky in range(3):
        for kx in range(3):
            k = 3 * ky + kx
            parts = []
            for g, part in enumerate(x.chunk(offset_groups, 1)):
                dy, dx = (offset[:, 2 * (9 * g + k) + i] for i in (0, 1))
                y = rows * stride[0] - padding[0] + ky * dilation[0] + dy
                at = columns * stride[1] - padding[1] + kx * dilation[1] + dx
                grid = torch.stack([(2 * at + 1) / width - 1, (2 * y + 1) / height - 1], -1)
                value = F.grid_sample(part, grid, align_corners=False)
                parts.append(value * mask[:, 9 * g + k, None])
            taps.append(torch.cat(parts, 1))
    columns = torch.stack(taps, 2)  # [B, C, 9, h, w]
    out = [
        torch.einsum('bckhw,ock->bohw', c, w.flatten(2))
        for c, w in zip(columns.chunk(groups, 1), weight.chunk(groups), strict=True)
    ]
    return torch.cat(out, 1)


@CONVOLUTIONS
@pytest.mark.parametrize('modulated', [False, True])
def test_deformable_convolution(groups, offset_groups, stride, padding, dilation, modulated):
    stride, padding, dilation = (
        x if isinstance(x, tuple) else (x, x) for x in (stride, padding, dilation)
    )
    x, weight = torch.randn(2, 4, 9, 8), torch.randn(6, 4 // groups, 3, 3)
    out_h, out_w = (
        (size + 2 * p - 2 * d - 1) // s + 1
        for size, p, d, s in zip((9, 8), padding, dilation, stride, strict=True)
    )
    offset = torch.randn(2, 18 * offset_groups, out_h, out_w)
    shape = groups, offset_groups
    if modulated:
        mask, bias = torch.rand(2, 9 * offset_groups, out_h, out_w), torch.randn(6)
        agree(
            lambda x, o, m, w, b: ops.modulated_deform_conv2d(
                x, o, m, w, b, stride, padding, dilation, *shape
            ),
            lambda x, o, m, w, b: (
                sampled(x, o, m, w, stride, padding, dilation, offset_groups, groups)
                + b[:, None, None]
            ),
            [x, offset, mask, weight, bias],
            tolerance=2e-4,
        )
    else:
        ones = torch.ones(2, 9 * offset_groups, out_h, out_w)
        agree(
            lambda x, o, w: ops.deform_conv2d(x, o, w, stride, padding, dilation, *shape),
            lambda x, o, w: sampled(
                x, o, ones, w, stride, padding, dilation, offset_groups, groups
            ),
            [x, offset, weight],
            tolerance=2e-4,
        )


def test_a_modulated_convolution_by_offsets_of_a_larger_map():
    """As DyHead calls it: mmcv's kernel reads the first numbers of each sample."""
    x, weight, bias = torch.randn(2, 4, 4, 3), torch.randn(6, 4, 3, 3), torch.randn(6)
    offset, mask = torch.randn(2, 18, 8, 6), torch.rand(2, 9, 8, 6)
    agree(
        lambda x, o, m, w, b: ops.modulated_deform_conv2d(x, o, m, w, b, 1, 1, 1, 1, 1),
        lambda x, o, m, w, b: (
            sampled(
                x,
                torch.stack([sample.reshape(-1)[: 18 * 12].view(18, 4, 3) for sample in o]),
                torch.stack([sample.reshape(-1)[: 9 * 12].view(9, 4, 3) for sample in m]),
                w,
                (1, 1),
                (1, 1),
                (1, 1),
                1,
                1,
            )
            + b[:, None, None]
        ),
        [x, offset, mask, weight, bias],
        tolerance=2e-4,
    )


def test_a_modulated_convolution_under_autocast():
    layer = ops.ModulatedDeformConv2dPack(4, 6, 3, padding=1)
    x = torch.randn(1, 4, 8, 8)
    expected = layer(x)
    with torch.autocast('cpu', torch.bfloat16):
        found = layer(x)
    torch.testing.assert_close(found.float(), expected, atol=0.05, rtol=0.05)
    found.float().sum().backward()
    assert torch.isfinite(layer.weight.grad).all()


def soft_nms_by_hand(boxes, scores, threshold, sigma, least, method):
    """The algorithm of the paper, on lists."""
    left, kept = [[*box, score, i] for i, (box, score) in enumerate(zip(boxes, scores))], []  # noqa: B905
    while left:
        best = max(left, key=lambda d: d[4])
        left.remove(best)
        kept.append(best)
        for other in left:
            overlap = torchvision.ops.box_iou(
                torch.tensor([best[:4]]), torch.tensor([other[:4]])
            ).item()
            if method == 'gaussian':
                other[4] *= math.exp(-(overlap**2) / sigma)
            elif overlap >= threshold:
                other[4] *= 1 - overlap if method == 'linear' else 0
        left = [other for other in left if other[4] >= least]
    return kept


@pytest.mark.parametrize('method', ['naive', 'linear', 'gaussian'])
def test_soft_nms(method):
    corner = torch.rand(30, 2) * 20
    boxes, scores = torch.cat([corner, corner + 2 + torch.rand(30, 2) * 10], 1), torch.rand(30)
    expected = soft_nms_by_hand(boxes.tolist(), scores.tolist(), 0.3, 0.5, 0.05, method)
    dets, kept = ops.soft_nms(boxes, scores, 0.3, 0.5, 0.05, method)
    assert kept.tolist() == [d[5] for d in expected]
    np.testing.assert_allclose(dets.numpy(), np.array([d[:5] for d in expected]), rtol=1e-4)
    nothing, none = ops.soft_nms(boxes[:0], scores[:0])
    assert len(nothing) == len(none) == 0


def test_nms_match():
    corner = torch.rand(40, 2) * 20
    boxes = torch.cat([corner, corner + 2 + torch.rand(40, 2) * 10], 1)
    dets = torch.cat([boxes, torch.rand(40, 1)], 1)
    overlaps = torchvision.ops.box_iou(boxes, boxes)
    order, expected = dets[:, 4].argsort(descending=True).tolist(), []
    while order:
        first = order[0]
        group = [first] + [i for i in order[1:] if overlaps[first, i] >= 0.4]
        expected.append(group)
        order = [i for i in order if i not in group]
    assert [group.tolist() for group in ops.nms_match(dets, 0.4)] == expected


def test_roi_pool():
    features = torch.randn(2, 3, 9, 11)
    rois = torch.tensor(
        [[0, 3.0, 2, 30, 33], [1, 0, 0, 43, 35], [1, 20, 20, 10, 30], [0, 90, 9, 99, 9]]
    )

    def written_out(x):
        out = []
        for image, x1, y1, x2, y2 in rois.tolist():
            left, top, right, bottom = x1 / 4, y1 / 4, (x2 + 1) / 4, (y2 + 1) / 4
            cells = []
            for i in range(4):
                for j in range(3):
                    rows = [top + (bottom - top) / 4 * k for k in (i, i + 1)]
                    columns = [left + (right - left) / 3 * k for k in (j, j + 1)]
                    y = [min(max(v, 0), 9) for v in (math.floor(rows[0]), math.ceil(rows[1]))]
                    at = [
                        min(max(v, 0), 11) for v in (math.floor(columns[0]), math.ceil(columns[1]))
                    ]
                    part = x[int(image), :, y[0] : y[1], at[0] : at[1]].flatten(1)
                    empty = part.shape[1] == 0 or right <= left
                    cells.append(x.new_zeros(3) if empty else part.max(1).values)
            out.append(torch.stack(cells, 1).view(3, 4, 3))
        return torch.stack(out)

    agree(lambda x: ops.roi_pool(x, rois, (4, 3), 0.25), written_out, [features])


def test_masked_convolution():
    features, mask = torch.randn(1, 3, 7, 8), torch.rand(1, 7, 8) > 0.6
    layer = ops.MaskedConv2d(3, 5, 3, padding=1)
    expected = F.conv2d(features, layer.weight, layer.bias, padding=1) * mask
    torch.testing.assert_close(layer(features, mask.float()), expected)


@pytest.mark.parametrize('naive', [False, True])
def test_carafe(naive):
    """Called as mmcv calls it, which has no backward pass on a CPU."""
    features, masks = torch.randn(2, 4, 5, 6), torch.rand(2, 2 * 9, 10, 12)
    settings = dict(kernel_size=3, group_size=2, scale_factor=2)

    def written_out(x, m):
        padded, rows = F.pad(x, (1, 1, 1, 1)), []
        for y in range(10):
            for at in range(12):
                around = padded[:, :, y // 2 : y // 2 + 3, at // 2 : at // 2 + 3].flatten(2)
                weights = m[:, :, y, at].view(2, 2, 1, 9).expand(-1, -1, 2, -1).flatten(1, 2)
                rows.append((around * weights).sum(2))
        return torch.stack(rows, 2).view(2, 4, 10, 12)

    class Ours(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, m):
            output, kept = x.new_zeros(2, 4, 10, 12), torch.zeros_like(x)
            if naive:
                operators.carafe_naive_forward(x, m, output, **settings)
            else:
                spare = torch.zeros_like(output), torch.zeros_like(m)
                operators.carafe_forward(x, m, kept, *spare, output, **settings)
            ctx.save_for_backward(x if naive else kept, m)
            return output

        @staticmethod
        def backward(ctx, grad):
            x, m = ctx.saved_tensors
            found = torch.zeros_like(x), torch.zeros_like(m)
            if naive:
                operators.carafe_naive_backward(grad, x, m, *found, **settings)
            else:
                spare = [torch.zeros_like(t) for t in (grad, grad, x, m)]
                operators.carafe_backward(grad, x, m, *spare, *found, **settings)
            return found

    agree(Ours.apply, written_out, [features, masks])
    if not naive:
        torch.testing.assert_close(
            ops.CARAFE(3, 2, 2)(features, masks), written_out(features, masks)
        )
