"""torchvision behind mmcv's operator names."""

import subprocess
import sys

import pytest
import torch
import torchvision
from hypothesis import given
from hypothesis import strategies as st
from mmcv.ops import DeformRoIPoolPack, RoIAlign, box_iou_rotated, nms
from mmcv.utils import ext_loader

from mmgreen.compat import mmcv_ext
from mmgreen.errors import UserError

EXT = ext_loader.load_ext('_ext', ['nms'])
needs_stand_in = pytest.mark.skipif(
    EXT.__spec__.origin is not None, reason='mmcv is compiled here: the stand-in is not used'
)

THRESHOLD = 0.3001  # between the overlaps that whole pixels can have


def iou(a, b, offset):
    width = min(a[2], b[2]) - max(a[0], b[0]) + offset
    height = min(a[3], b[3]) - max(a[1], b[1]) + offset
    inter = max(width, 0) * max(height, 0)
    area = [(c[2] - c[0] + offset) * (c[3] - c[1] + offset) for c in (a, b)]
    return inter / (sum(area) - inter)


@pytest.mark.parametrize('offset', [0, 1])
def test_nms_equals_the_definition(offset):
    corner = torch.randint(0, 20, (60, 2)).float()
    boxes = torch.cat([corner, corner + torch.randint(1, 12, (60, 2))], 1)
    scores = torch.rand(60)
    kept = []
    for i in scores.argsort(descending=True).tolist():
        if all(iou(boxes[i].tolist(), boxes[j].tolist(), offset) <= THRESHOLD for j in kept):
            kept.append(i)
    _, found = nms(boxes, scores, THRESHOLD, offset=offset)
    assert found.tolist() == kept


places = st.floats(-30, 90, width=32)
spans = st.lists(places, min_size=2, max_size=2).map(sorted)


@given(
    st.lists(st.tuples(st.integers(0, 1), spans, spans), min_size=1, max_size=6),
    st.sampled_from([0, 1, 2]),
    st.booleans(),
    st.sampled_from([torch.contiguous_format, torch.channels_last]),
)
def test_roi_align_and_its_gradient_equal_torchvision(regions, sampling_ratio, aligned, layout):
    """Of regions inside and outside the image, and of some without extent."""
    draws = torch.Generator().manual_seed(0)
    features = torch.randn(2, 3, 16, 20, generator=draws).to(memory_format=layout).requires_grad_()
    rois = torch.tensor([(i, x1, y1, x2, y2) for i, (x1, x2), (y1, y2) in regions])
    step = RoIAlign((7, 5), 0.25, sampling_ratio, aligned=aligned)
    ours = step(features, rois)
    theirs = torchvision.ops.roi_align(
        features, rois, (7, 5), 0.25, sampling_ratio, aligned=aligned
    )
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)
    weight = torch.randn(ours.shape, generator=draws)
    gradients = [torch.autograd.grad((y * weight).sum(), features)[0] for y in (ours, theirs)]
    torch.testing.assert_close(*gradients, atol=1e-4, rtol=1e-4)


def test_roi_align_of_regions_far_larger_than_the_image():
    """What a detector proposes before it has learnt anything; others beside it are as ever."""
    features = torch.rand(1, 2, 16, 16, requires_grad=True)
    usual, wide = [0, 2.0, 3.0, 14.0, 12.0], [0, -400.0, -400.0, 600.0, 600.0]
    rois = torch.tensor([usual, wide, [0, -1e7, -1e7, 1e7, 1e7]])
    out = RoIAlign(7, 1.0, 0)(features, rois)
    alone = torchvision.ops.roi_align(features, rois[:2], 7, 1.0, 0, aligned=True)
    torch.testing.assert_close(out[0], alone[0])
    torch.testing.assert_close(out[1], alone[1], atol=2e-3, rtol=0)  # fewer samples
    assert out[2].abs().max() <= 1
    out.sum().backward()
    assert features.grad.isfinite().all()
    whole = torch.autograd.grad(alone[0].sum(), features)[0]
    assert (features.grad >= whole - 1e-5).all()


def test_roi_align_of_no_regions():
    features = torch.randn(1, 3, 8, 8, requires_grad=True)
    out = RoIAlign(7, 0.25)(features, torch.zeros(0, 5))
    assert out.shape == (0, 3, 7, 7)
    out.sum().backward()
    assert not features.grad.any()


@needs_stand_in
def test_every_other_operator_says_what_it_needs():
    with pytest.raises(
        UserError,
        match=r"oriented boxes \(mmrotate\) need the operator 'box_iou_rotated', .* build",
    ):
        box_iou_rotated(torch.rand(1, 5), torch.rand(1, 5))
    with pytest.raises(
        UserError, match=r"configs/dcn\*/\*dpool\* of mmdet.* 'deform_roi_pool_forward'"
    ):
        DeformRoIPoolPack(2, 4)(torch.randn(1, 4, 8, 8), torch.zeros(1, 5))
    with pytest.raises(UserError, match="pool_mode='max' needs"):
        RoIAlign(7, 0.25, pool_mode='max')(torch.randn(1, 3, 8, 8), torch.zeros(1, 5))


@needs_stand_in
def test_has_a_proper_spec():
    import mmcv._ext

    assert mmcv._ext.__spec__.name == 'mmcv._ext'
    assert not hasattr(mmcv._ext, '__path__')


def test_installing_twice_adds_one_finder():
    before = list(sys.meta_path)
    mmcv_ext.install()
    assert sys.meta_path == before


def test_a_compiled_module_is_used_where_there_is_one():
    """A module that the ordinary finders find comes before the stand-in."""
    program = """
import importlib.machinery, sys
class Compiled:
    def find_spec(self, name, path=None, target=None):
        return importlib.machinery.ModuleSpec(name, self) if name == 'mmcv._ext' else None
    def create_module(self, spec): return None
    def exec_module(self, module): module.compiled = True
sys.meta_path.append(Compiled())
import mmgreen
import mmcv._ext
print(mmcv._ext.compiled)
"""
    done = subprocess.run([sys.executable, '-c', program], capture_output=True, text=True)
    assert done.stdout.strip() == 'True', done.stderr
