"""Boxes given to objects, and sampled: as mmdet does, with few questions to the device."""

import importlib

import pytest
import torch
import torchvision
from detector_steps import batch_of, mask_rcnn
from fake_gpu import WAITS
from hypothesis import given
from hypothesis import strategies as st
from mmdet.models.task_modules import MaxIoUAssigner as MMDetAssigner
from mmdet.models.task_modules import RandomSampler as MMDetSampler
from mmengine.structures import InstanceData
from torch.utils._python_dispatch import TorchDispatchMode

from mmgreen.models.detectors import MaxIoUAssigner, RandomSampler


@st.composite
def overlaps(draw):
    """Of a few values, so that there are many ties; some boxes are to be ignored (-1)."""
    objects, boxes = draw(st.integers(0, 5)), draw(st.integers(0, 9))
    values = st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.7, 1.0])
    matrix = torch.tensor([[draw(values) for _ in range(boxes)] for _ in range(objects)])
    matrix = matrix.view(objects, boxes)
    for box in range(boxes):
        if draw(st.integers(0, 9)) == 0:
            matrix[:, box] = -1
    return matrix


SETTINGS = st.fixed_dictionaries(
    dict(
        pos_iou_thr=st.sampled_from([0.3, 0.5, 0.7]),
        neg_iou_thr=st.sampled_from([0.3, 0.5, (0.1, 0.5)]),
        min_pos_iou=st.sampled_from([0.0, 0.3, 0.5]),
        gt_max_assign_all=st.booleans(),
        match_low_quality=st.booleans(),
    )
)


@given(overlaps(), SETTINGS)
def test_assigned_as_mmdet_does(matrix, settings):
    labels = torch.arange(len(matrix)) * 3 % 4
    mine, theirs = (
        assigner(**settings).assign_wrt_overlaps(matrix.clone(), labels)
        for assigner in (MaxIoUAssigner, MMDetAssigner)
    )
    assert mine.num_gts == theirs.num_gts
    for name in ('gt_inds', 'max_overlaps', 'labels'):
        found, expected = getattr(mine, name), getattr(theirs, name)
        assert found.dtype == expected.dtype
        assert torch.equal(found, expected), name


@given(overlaps(), st.integers(0, 8), st.sampled_from([0.0, 0.25, 0.5]), st.booleans())
def test_sampled_as_mmdet_does(matrix, number, fraction, added):
    objects, boxes = matrix.shape
    truth = InstanceData(bboxes=torch.rand(objects, 4), labels=torch.arange(objects))
    found = InstanceData(priors=torch.rand(boxes, 4))
    samples = []
    for sampler in (RandomSampler, MMDetSampler):
        torch.manual_seed(0)
        assigned = MMDetAssigner(0.5, 0.5).assign_wrt_overlaps(matrix.clone(), truth.labels)
        chosen = sampler(number, fraction, neg_pos_ub=-1, add_gt_as_proposals=added)
        samples.append(chosen.sample(assigned, found, truth))
    for name in ('pos_inds', 'neg_inds', 'pos_priors', 'neg_priors', 'pos_gt_labels', 'pos_is_gt'):
        assert torch.equal(*(getattr(sample, name) for sample in samples)), name


class Reads(TorchDispatchMode):
    """Counts operators that make the host wait for a number, as on a GPU."""

    count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func._schema.name.removeprefix('aten::')
        self.count += name in WAITS
        if name in ('index', 'index_put_'):  # by a mask: how many are chosen is asked
            masks = [i for i in args[1] if i is not None and i.dtype in (torch.bool, torch.uint8)]
            filled = (
                name == 'index_put_' and args[2].numel() == 1
            )  # with one value nothing is asked
            self.count += bool(masks) and not filled
        return func(*args, **(kwargs or {}))


def reads_of_a_step(model, objects):
    """Forward and backward over eight images with so many objects each."""
    data = batch_of(model, objects)
    with Reads() as reads:
        model.parse_losses(model.loss(data['inputs'], data['data_samples']))[0].backward()
    return reads.count


@pytest.fixture
def pooled_as_on_a_gpu(monkeypatch):
    """RoIAlign by torchvision, which reads nothing back; that of a CPU is a table made of what it reads."""

    def settings(given):
        size = given['aligned_height'], given['aligned_width']
        return size, given['spatial_scale'], given['sampling_ratio'], given['aligned']

    def forward(input, rois, output, *_, **given):
        output.copy_(torchvision.ops.roi_align(input, rois, *settings(given)))

    def backward(grad, rois, argmax_y, argmax_x, grad_input, **given):
        size, scale, *rest = settings(given)
        pool = torch.ops.torchvision._roi_align_backward
        grad_input.copy_(pool(grad, rois, scale, *size, *grad_input.shape, *rest))

    extension = importlib.import_module('mmcv.ops.roi_align').ext_module
    monkeypatch.setattr(extension, 'roi_align_forward', forward)
    monkeypatch.setattr(extension, 'roi_align_backward', backward)


def test_a_step_reads_as_little_of_many_objects(pooled_as_on_a_gpu):
    """What is read back of eight images does not depend on their objects."""
    counts = {}
    for mine in (False, True):
        model = mask_rcnn(mine)
        counts[mine] = [reads_of_a_step(model, objects) for objects in (12, 60)]
    assert counts[False][1] > 3 * 12 * 8 * 5 / 2  # twice for each object
    assert max(counts[True]) <= 150
    assert abs(counts[True][1] - counts[True][0]) <= 4  # some levels of some images have no box
