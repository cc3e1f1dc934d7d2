"""A detector that learns from images without labels, by a teacher's boxes and masks."""

import copy

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from mean_teachers import batch, flipped, sample, teacher_of
from mmdet.models.roi_heads.mask_heads.fcn_mask_head import _do_paste_mask
from mmdet.structures.bbox import bbox_project
from mmdet.structures.mask import BitmapMasks
from mmengine.structures import InstanceData

from mmgreen.config import load_config
from mmgreen.engine import own_scope
from mmgreen.errors import UserError
from mmgreen.models.detectors.mean_teacher import _agreement
from mmgreen.models.detectors.projected_masks import ProjectedMasks
from mmgreen.registry import MODELS


def scaled(by):
    return np.diag([by, by, 1.0])


def moved(x, y):
    return np.array([[1.0, 0, x], [0, 1, y], [0, 0, 1]])


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    scale=st.floats(0.6, 1.6),
    flip=st.booleans(),
    shift=st.tuples(st.integers(-15, 15), st.integers(-15, 15)),
)
def test_masks_go_where_their_pixels_go(seed, scale, flip, shift):
    """Against masks that are drawn into the whole image, warped with it, and cropped."""
    generator = torch.Generator().manual_seed(seed)
    low = torch.randn(1, 1, 4, 4, generator=generator)
    masks = F.interpolate(low, (28, 28), mode='bicubic').sigmoid()[:, 0]
    boxes = torch.tensor([[20.0, 24.0, 76.0, 80.0]])
    forth = moved(*shift) @ scaled(scale)
    if flip:
        forth = flipped(160) @ forth
    there = bbox_project(boxes, torch.tensor(forth).float())
    wanted_in = there + torch.tensor([[3.0, 2.0, -4.0, -3.0]])  # a proposal inside it
    back = torch.tensor(np.linalg.inv(forth))
    assume((wanted_in >= 0).all() and (wanted_in <= 160).all())
    found = ProjectedMasks(masks, boxes, back, (160, 160)).crop_and_resize(
        wanted_in.numpy(), (14, 14), np.array([0])
    )
    drawn, _ = _do_paste_mask(masks[:, None], boxes, 100, 100, skip_empty=False)
    # Pixels' middles lie at a half, and cv2 counts from the middle of the first.
    by_pixel = moved(-0.5, -0.5) @ forth @ moved(0.5, 0.5)
    warped = cv2.warpPerspective(drawn[0].numpy(), by_pixel, (160, 160))
    wanted = BitmapMasks(warped[None], 160, 160).crop_and_resize(
        wanted_in.numpy(), (14, 14), np.array([0]), binarize=False
    )
    assert np.abs(found.masks - wanted.masks).mean() < 0.01


def test_masks_are_probabilities_and_end_at_their_boxes():
    masks = ProjectedMasks(
        torch.full((2, 28, 28), 0.7), torch.tensor([[0.0, 0, 10, 10], [20.0, 20, 40, 40]]),
        torch.eye(3), (50, 50),
    )  # fmt: skip
    found = masks.crop_and_resize(
        np.array([[22.0, 22, 38, 38], [0.0, 0, 20, 20]]), (4, 4), np.array([1, 0])
    ).to_ndarray()
    assert len(masks) == 2
    np.testing.assert_allclose(found[0], 0.7, atol=1e-6)
    assert (found[1][2:] == 0).all()
    assert (found[1][:, 2:] == 0).all()
    np.testing.assert_allclose(found[1][0, 0], 0.7, atol=1e-6)


@pytest.mark.parametrize('kind', ['faster', 'mask', 'cascade'])
def test_a_student_learns_from_both(kind):
    model = teacher_of(kind, score_thr=0.0, sure=5.0, doubtful=10.0)
    model.train()
    losses = model.loss(*batch())
    loss = sum(
        sum(value) if isinstance(value, list) else value
        for name, value in losses.items()
        if 'loss' in name
    )
    loss.backward()
    assert losses['unsup_kept'] > 1
    names = {
        name.split('_', 1)[1] for name in losses if name.startswith('unsup_') and 'loss' in name
    }
    assert names == {
        name.split('_', 1)[1] for name in losses if name.startswith('sup_') and 'loss' in name
    }
    assert any('mask' in name for name in names) == (kind != 'faster')
    for name, parameter in model.named_parameters():
        if name.startswith('teacher'):
            assert parameter.grad is None
    assert model.student.rpn_head.rpn_conv.weight.grad.abs().sum() > 0


def summed(losses):
    """Each loss as a number."""
    return {
        name: float(sum(value) if isinstance(value, list) else value)
        for name, value in losses.items()
        if 'loss' in name
    }


def test_in_half_precision_losses_are_alike():
    """A CPU's kernels have no way back in half precision; the way forth is the GPU's."""
    model = teacher_of(score_thr=0.0, sure=5.0, doubtful=10.0).train()
    data = batch()
    found = []
    for mixed in (False, True):
        torch.manual_seed(0)
        with torch.no_grad(), torch.autocast('cpu', torch.float16, enabled=mixed):
            found.append(summed(copy.deepcopy(model).loss(*copy.deepcopy(data))))
    assert len(found[0]) == 10
    assert found[1] == pytest.approx(found[0], rel=0.1, abs=0.02)


def test_on_labels_alone_the_teacher_is_not_asked(monkeypatch):
    model = teacher_of()
    model.share = 0.0
    monkeypatch.setattr(
        model.teacher, 'extract_feat', lambda x: pytest.fail('the teacher was asked')
    )
    inputs, samples = batch()
    wanted = model.student.loss(inputs['sup'], copy.deepcopy(samples['sup']))
    torch.manual_seed(0)
    found = model.loss(inputs, samples)
    assert {name.removeprefix('sup_') for name in found} == set(wanted)
    assert model.objects[:3].tolist() == [1, 0, 1]


def detections(rng, images=4, each=30, classes=5):
    return [
        InstanceData(
            bboxes=torch.rand(each, 4),
            labels=torch.tensor(rng.integers(0, classes, each)),
            scores=torch.tensor(rng.random(each), dtype=torch.float32),
        )
        for _ in range(images)
    ]


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), share=st.floats(0.1, 3))
def test_as_many_boxes_are_sure_as_objects_are_known(model_of_many, seed, share):
    """Of each class, the highest scores of all that were found, as brute force counts them."""
    model, rng = copy.deepcopy(model_of_many), np.random.default_rng(seed)
    model.objects.copy_(torch.tensor(rng.random(5) * 4))
    found = [detections(rng) for _ in range(3)]
    for results in found:
        model._count_found(results)
    thresholds = model.thresholds(share)
    everything = [image for results in found for image in results]
    for c in range(5):
        scores = torch.cat([image.scores[image.labels == c] for image in everything])
        above = (scores >= thresholds[c]).sum() / len(everything)
        quota = share * model.objects[c]
        assert above <= quota + 1e-4
        if thresholds[c] > 0:  # one hundredth less would be too many
            assert (scores >= thresholds[c] - 0.0101).sum() / len(everything) >= quota - 1e-4


@pytest.fixture(scope='module')
def model_of_many():
    return teacher_of('faster')


def test_what_is_in_doubt_is_neither_object_nor_background(model_of_many, monkeypatch):
    model = copy.deepcopy(model_of_many)
    model.objects.fill_(1.0)
    boxes = torch.tensor([[4.0, 4, 20, 20], [30.0, 30, 60, 60], [2.0, 40, 12, 60]])
    result = InstanceData(
        bboxes=boxes, labels=torch.zeros(3).long(), scores=torch.tensor([0.9, 0.6, 0.1])
    )
    thresholds = {model.sure: 0.8, model.doubtful: 0.5}
    monkeypatch.setattr(model, 'thresholds', lambda share: torch.full((5,), thresholds[share]))
    monkeypatch.setattr(model.teacher.roi_head, 'predict_bbox', lambda *a, **k: [result])
    inputs, samples = batch(1)
    found, counts = model.get_pseudo_instances(inputs['unsup_teacher'], samples['unsup_teacher'])
    assert (counts['kept'], counts['doubtful']) == (1, 1)
    (seen,) = model.project_pseudo_instances(found, samples['unsup_student'])
    assert seen.gt_instances.bboxes.tolist() == [[44.0, 4, 60, 20]]  # flipped
    assert seen.ignored_instances.bboxes.tolist() == [[4.0, 30, 34, 60]]
    for assigner in (model.student.rpn_head.assigner, model.student.roi_head.bbox_assigner):
        priors = torch.tensor([[44.0, 4, 60, 20], [6.0, 32, 34, 60], [52.0, 40, 62, 60]])
        assigned = assigner.assign(
            InstanceData(priors=priors), seen.gt_instances, seen.ignored_instances
        )
        assert assigned.gt_inds.tolist() == [1, -1, 0]


def test_a_detector_is_read_into_both():
    model = teacher_of()
    state = {name: value + 1 for name, value in model.student.state_dict().items()}
    model.load_state_dict(state, strict=False)
    for part in (model.student, model.teacher):
        for name, value in part.state_dict().items():
            assert torch.equal(value, state[name])


def test_others_are_refused():
    with pytest.raises(UserError, match=r'sure=2.0 and doubtful=1.0'):
        teacher_of('faster', sure=2.0, doubtful=1.0)
    cfg = load_config('mmdet::retinanet/retinanet_r50_fpn_1x_coco.py')
    with own_scope(cfg), pytest.raises(UserError, match='not RetinaNet'):
        MODELS.build(dict(type='mmgreen.MeanTeacher', detector=cfg.model))


def test_the_agreement_with_a_known_truth_is_that_of_brute_force():
    def boxes(rows):
        table = torch.tensor(rows, dtype=torch.float32).view(-1, 5)
        return InstanceData(bboxes=table[:, :4], labels=table[:, 4].long())

    found = [
        boxes([[0, 0, 10, 10, 0], [20, 20, 30, 30, 1], [50, 50, 60, 60, 0]]),
        boxes([]),
    ]
    # The first is found, the second is of another class, the third nowhere, and two are missed.
    truth = [boxes([[1, 0, 10, 10, 0], [20, 20, 30, 30, 0]]), boxes([[5, 5, 9, 9, 2]])]
    assert _agreement(found, truth) == dict(precision=1 / 3, recall=1 / 3)
    assert _agreement(found, [boxes([]), boxes([])]) == {}
    assert _agreement([boxes([]), boxes([])], truth) == dict(recall=0)


def test_crops_do_not_make_images_look_emptier(model_of_many):
    """A crop of a quarter shows a quarter of the objects, and the teacher sees images whole."""
    model = copy.deepcopy(model_of_many)
    quarter = sample()
    quarter.set_metainfo(dict(ori_shape=(100, 50), scale_factor=(2.0, 2.0), img_shape=(100, 50)))
    model._count_objects([quarter])
    assert model.objects[:3].tolist() == [4, 0, 4]
    model.labelled_batches.zero_()
    model._count_objects([sample(), quarter])  # two objects of a class in one and a quarter images
    torch.testing.assert_close(model.objects[:3], torch.tensor([1.6, 0, 1.6]))
