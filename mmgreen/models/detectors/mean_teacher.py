"""Detectors that learn from images without labels, too."""

from collections.abc import Sequence
from typing import Any

import torch
from mmdet.models import CascadeRoIHead, SemiBaseDetector, StandardRoIHead, TwoStageDetector
from mmdet.models.utils import rename_loss_dict, reweight_loss_dict
from mmdet.structures.bbox import bbox2roi, bbox_overlaps, bbox_project, get_box_tensor
from mmengine.dist import all_reduce
from mmengine.structures import InstanceData
from torch import Tensor

from mmgreen.errors import UserError
from mmgreen.registry import MODELS

from .projected_masks import ProjectedMasks

_BINS = 100
# Images without labels that the distribution of scores remembers, in batches.
_MEMORY = 10
# From which share of a proposal inside a doubtful box it is left out of the losses.
_INSIDE = 0.5


@MODELS.register_module()
class MeanTeacher(SemiBaseDetector):
    """A two-stage detector that also learns from images without labels: boxes, classes and masks.

    A teacher, the moving average of the student (`Mean teachers are better role models
    <https://arxiv.org/abs/1703.01780>`_), sees each such image weakly changed. What it is sure of becomes
    labels of the student, which sees the image strongly changed. What it is in doubt of is neither object
    nor background. How sure is sure follows from the labels: of each class as many boxes an image are
    labels as a share of the objects that labelled images have, those of the highest scores (after
    `Label Matching Semi-Supervised Object Detection <https://arxiv.org/abs/2206.06608>`_), so that no
    threshold is to be chosen for a class or a training that has just begun.

    Masks of the teacher are probabilities inside its boxes (:class:`ProjectedMasks`), and the student is
    asked for these: a point that the teacher is in doubt of pulls towards one half, and hardly at all.

    Its data are those of mmdet's ``MultiBranch``: ``sup``, ``unsup_teacher`` and ``unsup_student``, of
    which the last two record their geometry. ``mmgreen.MeanTeacherHook`` moves the teacher and says when
    it begins to teach. A checkpoint of the detector alone is read into both.

    Args:
        detector: Config of Faster, Mask or Cascade R-CNN.
        sure: Boxes that become labels, as a share of the objects of labelled images.
        doubtful: Boxes that do or that are left out, as such a share. Those of lower scores are
            background.
        score_thr: No box of a lower score becomes a label.
        unsup_weight: What losses of images without labels are multiplied by.
        min_size: Smallest side of a label in the student's view, in pixels.
        semi_test_cfg: ``dict(predict_on='teacher')`` or ``'student'``; by default ``'better'``, the one that
            ``mmgreen.TeacherStudentValLoop`` found so, and the teacher before any validation.
        data_preprocessor: ``MultiBranchDataPreprocessor``.
        init_cfg: Initialisation.

    Attributes:
        share: What ``unsup_weight`` is multiplied by at this step; at 0 only labels are learnt from,
            and nothing else is computed.
        seen: Of each image without labels, by its path: how many boxes the teacher was sure of, and how
            many it was in doubt of, when this process saw it last.

    Raises:
        UserError: If it is no two-stage detector of these, or shares are not in order.
    """

    def __init__(
        self,
        detector: dict,
        sure: float = 0.5,
        doubtful: float = 1.5,
        score_thr: float = 0.3,
        unsup_weight: float = 1.0,
        min_size: float = 2.0,
        semi_test_cfg: dict | None = None,
        data_preprocessor: dict | None = None,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(
            detector=detector,
            semi_train_cfg=dict(freeze_teacher=True, sup_weight=1.0),
            semi_test_cfg=semi_test_cfg or dict(predict_on='better'),
            data_preprocessor=data_preprocessor,
            init_cfg=init_cfg,
        )
        head = getattr(self.student, 'roi_head', None)
        if not isinstance(self.student, TwoStageDetector) or type(head) not in (
            StandardRoIHead,
            CascadeRoIHead,
        ):
            raise UserError(
                f'mmgreen.MeanTeacher takes Faster, Mask and Cascade R-CNN, not {type(self.student).__name__}'
                f'{f" with {type(head).__name__}" if head is not None else ""}'
            )
        if not 0 < sure <= doubtful:
            raise UserError(
                f'sure={sure} and doubtful={doubtful} must be above 0 and in this order'
            )
        self.sure, self.doubtful, self.score_thr = sure, doubtful, score_thr
        self.unsup_weight, self.min_size = unsup_weight, min_size
        self.share = 1.0
        self.seen: dict[str, tuple[int, int]] = {}
        _leave_doubtful_out(self.student)
        box_heads = head.bbox_head if type(head) is CascadeRoIHead else [head.bbox_head]
        classes = box_heads[0].num_classes
        #: Objects a whole image of each class, in labelled images, and how many batches they are of.
        self.register_buffer('objects', torch.zeros(classes))
        self.register_buffer('labelled_batches', torch.zeros(()))
        #: Boxes an image of each class and score, and how many batches they are of.
        self.register_buffer('found', torch.zeros(classes, _BINS))
        self.register_buffer('batches', torch.zeros(()))
        self.register_buffer('student_is_better', torch.zeros((), dtype=torch.bool))

    @property
    def judged(self) -> TwoStageDetector:
        """The net that is tested."""
        on = self.semi_test_cfg['predict_on']
        if on == 'better':
            on = 'student' if self.student_is_better else 'teacher'
        return getattr(self, on)

    def predict(self, batch_inputs: Tensor, batch_data_samples: Sequence[Any]) -> list[Any]:
        """Detections of the net that is tested.

        Args:
            batch_inputs: (B, 3, H, W), preprocessed.
            batch_data_samples: Their samples.
        """
        return self.judged(batch_inputs, batch_data_samples, mode='predict')

    def loss(self, multi_batch_inputs: dict, multi_batch_data_samples: dict) -> dict:
        """Losses of labelled images and, where the teacher teaches, of the others.

        Args:
            multi_batch_inputs: Images by branch, (B, 3, H, W) each, preprocessed.
            multi_batch_data_samples: Their samples by branch.

        Returns:
            Losses, whose names begin with ``sup_`` and ``unsup_``; ``unsup_kept`` and
            ``unsup_doubtful``, boxes an image; and, where the truth of these images is loaded for the
            teacher's view, ``unsup_precision`` and ``unsup_recall`` of what became labels.
        """
        self._count_objects(multi_batch_data_samples['sup'])
        if not self.share:
            return self.loss_by_gt_instances(
                multi_batch_inputs['sup'], multi_batch_data_samples['sup']
            )
        return super().loss(multi_batch_inputs, multi_batch_data_samples)

    @torch.no_grad()
    def get_pseudo_instances(
        self, batch_inputs: Tensor, batch_data_samples: Sequence[Any]
    ) -> tuple[list[Any], dict]:
        """What the teacher finds in images without labels.

        Args:
            batch_inputs: (B, 3, H, W), preprocessed.
            batch_data_samples: Their samples.

        Returns:
            The samples, with ``gt_instances``, what it is sure of: ``bboxes``, ``labels``, ``scores`` and,
            of Mask R-CNN, ``probabilities`` (N, h, w); and ``ignored_instances``, what it is in doubt of. All
            in pixels of the teacher's view.
        """
        teacher = self.teacher
        teacher.eval()
        maps = teacher.extract_feat(batch_inputs)
        proposals = teacher.rpn_head.predict(maps, batch_data_samples, rescale=False)
        metas = [sample.metainfo for sample in batch_data_samples]
        roi_head = teacher.roi_head
        results = roi_head.predict_bbox(maps, metas, proposals, roi_head.test_cfg, rescale=False)
        self._count_found(results)
        sure = self.thresholds(self.sure).clamp(min=self.score_thr)
        doubtful = self.thresholds(self.doubtful)
        kept, truth = [], [sample.get('gt_instances') for sample in batch_data_samples]
        for sample, result in zip(batch_data_samples, results, strict=True):
            is_sure = result.scores >= sure[result.labels]
            in_doubt = ~is_sure & (result.scores >= doubtful[result.labels])
            kept.append(result[is_sure])
            sample.gt_instances = kept[-1]
            sample.ignored_instances = InstanceData(bboxes=result.bboxes[in_doubt])
            self.seen[sample.get('img_path')] = len(kept[-1]), len(sample.ignored_instances)
        if teacher.with_mask:
            masks = _probabilities(roi_head, maps, kept)
            for instances, own in zip(kept, masks, strict=True):
                instances.probabilities = own
        counts = {
            name: sum(len(sample.get(key)) for sample in batch_data_samples) / len(results)
            for name, key in (('kept', 'gt_instances'), ('doubtful', 'ignored_instances'))
        }
        return list(batch_data_samples), counts | _agreement(kept, truth)

    def project_pseudo_instances(
        self, batch_pseudo_instances: Sequence[Any], batch_data_samples: Sequence[Any]
    ) -> list[Any]:
        """Bring what was found in the teacher's views to the student's.

        Args:
            batch_pseudo_instances: Samples of :meth:`get_pseudo_instances`.
            batch_data_samples: The student's.

        Returns:
            The student's samples, with ``gt_instances`` and ``ignored_instances``.
        """
        for found, sample in zip(batch_pseudo_instances, batch_data_samples, strict=True):
            boxes = found.gt_instances.bboxes
            back = _matrix(found) @ _matrix(sample).inverse()  # from the student's view
            forth = back.inverse().to(boxes)
            projected = bbox_project(boxes, forth, sample.img_shape)
            large = ((projected[:, 2:] - projected[:, :2]) > self.min_size).all(1)
            known = found.gt_instances[large]
            instances = InstanceData(
                bboxes=projected[large], labels=known.labels, scores=known.scores
            )
            if 'probabilities' in known:
                instances.masks = ProjectedMasks(
                    known.probabilities, known.bboxes, back, tuple(sample.img_shape[:2])
                )
            sample.gt_instances = instances
            left_out = bbox_project(found.ignored_instances.bboxes, forth, sample.img_shape)
            sample.ignored_instances = InstanceData(bboxes=left_out)
        return list(batch_data_samples)

    def loss_by_pseudo_instances(
        self,
        batch_inputs: Tensor,
        batch_data_samples: Sequence[Any],
        batch_info: dict | None = None,
    ) -> dict:
        """Losses of the student on images without labels.

        Args:
            batch_inputs: (B, 3, H, W), preprocessed, strongly changed.
            batch_data_samples: Samples of :meth:`project_pseudo_instances`.
            batch_info: What is logged beside them.
        """
        losses = self.student.loss(batch_inputs, list(batch_data_samples))
        some = any(len(sample.gt_instances) for sample in batch_data_samples)
        weight = self.unsup_weight * self.share if some else 0.0
        losses = reweight_loss_dict(losses, weight) | {
            name: batch_inputs.new_tensor(value) for name, value in (batch_info or {}).items()
        }
        return dict(rename_loss_dict('unsup_', losses))

    def labels_per_image(self) -> Tensor:
        """Boxes of each class that become labels, an image, (classes,)."""
        at_least = self.found.flip(1).cumsum(1).flip(1)
        least = self.thresholds(self.sure).clamp(min=self.score_thr)
        places = (least * _BINS).round().long()
        return torch.where(
            places < _BINS, at_least.gather(1, places.clamp(max=_BINS - 1)[:, None])[:, 0], 0.0
        )

    def thresholds(self, share: float) -> Tensor:
        """Score of each class that so many boxes an image reach, as a share of its objects, (classes,).

        It is a multiple of 0.01, and 1 where there is none.
        """
        at_least = self.found.flip(1).cumsum(1).flip(1)  # boxes an image from each score
        return (at_least > share * self.objects[:, None]).sum(1) / _BINS

    @torch.no_grad()
    def _count_objects(self, samples: Sequence[Any]) -> None:
        labels = torch.cat([sample.gt_instances.labels for sample in samples])
        counts = torch.bincount(labels, minlength=len(self.objects)).to(self.objects)
        counts /= sum(map(_share, samples))
        all_reduce(counts, 'mean')
        self.labelled_batches += 1
        self.objects += (counts - self.objects) / self.labelled_batches

    @torch.no_grad()
    def _count_found(self, results: Sequence[Any]) -> None:
        labels = torch.cat([result.labels for result in results])
        scores = torch.cat([result.scores for result in results])
        places = labels * _BINS + (scores * _BINS).long().clamp(max=_BINS - 1)
        counts = torch.bincount(places, minlength=self.found.numel()).to(self.found) / len(results)
        all_reduce(counts, 'mean')
        self.batches += 1
        self.found += (counts.view_as(self.found) - self.found) / self.batches.clamp(max=_MEMORY)


def _leave_doubtful_out(student: Any) -> None:
    """Let what lies in doubtful boxes be neither object nor background."""
    roi_head = student.roi_head
    heads = roi_head.bbox_assigner if type(roi_head) is CascadeRoIHead else [roi_head.bbox_assigner]
    for assigner in (student.rpn_head.assigner, *heads):
        if getattr(assigner, 'ignore_iof_thr', 0) < 0:
            assigner.ignore_iof_thr = _INSIDE


def _agreement(found: Sequence[Any], truth: Sequence[Any]) -> dict[str, float]:
    """Shares of boxes that are objects, and of objects that are found, where objects are known."""
    if not any(len(each.get('labels', ())) for each in truth if each is not None):
        return {}
    boxes = objects = hits = hit = 0
    for own, real in zip(found, truth, strict=True):
        same = own.labels[:, None] == real.labels
        alike = (bbox_overlaps(own.bboxes, get_box_tensor(real.bboxes)) >= 0.5) & same
        boxes, objects = boxes + len(own), objects + len(real)
        hits, hit = hits + int(alike.any(1).sum()), hit + int(alike.any(0).sum())
    return dict(recall=hit / objects) | (dict(precision=hits / boxes) if boxes else {})


def _share(sample: Any) -> float:
    """Which share of its whole image a sample shows: 1, but for crops."""
    (rows, columns), (height, width) = sample.img_shape[:2], sample.ori_shape[:2]
    wide, high = sample.get('scale_factor') or (1.0, 1.0)
    return min(1.0, rows * columns / (height * high * width * wide))


def _matrix(sample: Any) -> Tensor:
    """From the image as it was loaded to a view, (3, 3), float64."""
    matrix = sample.get('homography_matrix')
    return torch.eye(3).double() if matrix is None else torch.as_tensor(matrix).double()


def _probabilities(roi_head: Any, maps: Sequence[Tensor], found: Sequence[Any]) -> list[Tensor]:
    """Masks of detections, (N, h, w) of each image, between 0 and 1."""
    counts = [len(instances) for instances in found]
    rois = bbox2roi([instances.bboxes for instances in found])
    labels = torch.cat([instances.labels for instances in found])
    if not len(rois):
        return list(rois.new_zeros(0, 1, 1).split(counts))
    stages: list[tuple[Any, tuple[int, ...]]] = [(roi_head.mask_head, ())]
    if type(roi_head) is CascadeRoIHead:
        stages = [(head, (i,)) for i, head in enumerate(roi_head.mask_head)]
    each = []
    for head, stage in stages:
        masks = roi_head._mask_forward(*stage, maps, rois)['mask_preds'].float().sigmoid()
        own = torch.zeros_like(labels) if head.class_agnostic else labels
        each.append(masks[torch.arange(len(masks), device=own.device), own])
    return list(torch.stack(each).mean(0).split(counts))
