"""Detectors as ONNX files, which know how their images are prepared and what their labels mean."""

import copy
import json
import logging
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmdet.models.dense_heads import ATSSHead, FCOSHead, RetinaHead, RPNHead
from mmdet.models.dense_heads.dino_head import DINOHead
from mmdet.models.dense_heads.mask2former_head import Mask2FormerHead
from mmdet.models.dense_heads.rtmdet_head import RTMDetHead, RTMDetSepBNHead
from mmdet.models.dense_heads.rtmdet_ins_head import RTMDetInsHead, RTMDetInsSepBNHead
from mmdet.models.detectors import DINO, Mask2Former
from mmdet.models.roi_heads import CascadeRoIHead, StandardRoIHead
from mmdet.models.roi_heads.bbox_heads import (
    BBoxHead,
    ConvFCBBoxHead,
    Shared2FCBBoxHead,
    Shared4Conv1FCBBoxHead,
)
from mmdet.models.roi_heads.mask_heads import FCNMaskHead
from mmdet.models.roi_heads.roi_extractors import BaseRoIExtractor, SingleRoIExtractor
from mmdet.models.task_modules.coders import DeltaXYWHBBoxCoder, DistancePointBBoxCoder
from mmpretrain.models.utils import ShiftWindowMSA
from torch import nn

from mmgreen.compat.messages import quiet
from mmgreen.errors import UserError
from mmgreen.version import __version__

from .detectors import STRIDE, Batch, Detecting, Features, OneStage, OneStageWithMasks, TwoStage
from .queries import BoxQueries, MaskQueries
from .session import FORMAT, as_batch, open_session, require

_OPSET = 18
# Those that share mmdet's way from maps to boxes.
_DENSE = (ATSSHead, FCOSHead, RetinaHead, RPNHead, RTMDetHead, RTMDetSepBNHead)
_WITH_MASKS = (RTMDetInsHead, RTMDetInsSepBNHead)
_CODERS = (DeltaXYWHBBoxCoder, DistancePointBBoxCoder)
_ROI_PARTS = (
    (BaseRoIExtractor, (SingleRoIExtractor,)),
    (BBoxHead, (BBoxHead, ConvFCBBoxHead, Shared2FCBBoxHead, Shared4Conv1FCBBoxHead)),
    (FCNMaskHead, (FCNMaskHead,)),
)
_DETECTIONS = ('boxes', 'scores', 'labels', 'masks')
_ANY = torch.export.Dim.DYNAMIC


def export_onnx(
    model: nn.Module,
    pipeline: Iterable[dict],
    classes: Iterable[str],
    out: Path,
    half: bool = False,
    batch: bool = False,
) -> None:
    """Write a detector as an ONNX file, once it has found the same as the detector.

    It takes an image ``image``, RGB, uint8, (height, width, 3), of any size, and gives ``boxes``
    (N, 4) as x1, y1, x2, y2 in its pixels, ``scores`` (N,), best first, ``labels`` (N,) and, of Mask
    R-CNN, ``masks`` (N, 28, 28), the probability that a point of the box is the object's. One for
    batches takes ``images`` (B, height, width, 3), padded on the right and below to one size, and ``sizes``
    (B, 2), int64, the height and width that each had; detections are those of one image after the other, and
    ``counts`` (B,) says how many each has. Its
    metadata say in JSON under ``mmgreen`` how an image is resized before (``prepare``), from which
    value on a mask is an object (``mask_threshold``), the ``classes``, and the score to take
    detections from (``threshold``, or null). Where ``mask_stride`` is not null, masks are logits of the image,
    one for so many pixels a side.

    Args:
        model: A model of mmdet, on the CPU. Its shifted windows become symbolic.
        pipeline: That of its test images.
        classes: Names of the categories.
        out: File to write.
        half: Whether layers have 16 bits, in half of the space; boxes and suppression keep 32.
        batch: Whether it takes several images at once.

    Raises:
        UserError: If ONNX cannot express the detector, a package is missing, or what was exported
            finds something else.
    """
    steps = preparation(pipeline)
    check_padding(getattr(model.data_preprocessor, 'pad_size_divisor', 1), steps)
    # What has 16 bits is compared with what it was before.
    whole = exportable(copy.deepcopy(model)) if half else None
    program = exportable(model, half)
    about = dict(
        classes=list(classes),
        prepare=steps,
        batch=batch,
        mask_stride=program.mask_stride,
        mask_threshold=program.mask_threshold,
        threshold=getattr(model, 'threshold', None),
    )
    outputs = _DETECTIONS[: 3 if program.mask_threshold is None else 4]
    exact = program.exact and not half
    whole = whole or program
    if batch:
        names = ('images', 'sizes'), (*outputs, 'counts')
        _write(Batch(program), *names, about, out, Batch(whole), exact)
    else:
        _write(program, ('image',), outputs, about, out, whole, exact)


def export_features(model: nn.Module, steps: list[dict[str, Any]], out: Path) -> None:
    """Write a backbone as an ONNX file, once it has seen the same as the backbone.

    It takes an image as :func:`export_onnx` has it, and gives ``features`` (C,), the last map averaged. The metadata
    say how an image is prepared.

    Args:
        model: A detector or a pre-training, on the CPU. Its shifted windows become symbolic.
        steps: Steps of :func:`preparation`.
        out: File to write.

    Raises:
        UserError: See :func:`export_onnx`.
    """
    for module in model.modules():
        if isinstance(module, ShiftWindowMSA):
            module.pad_small_map = (
                True  # of images smaller than a window, which it refuses otherwise
            )
    program = Features(model)
    _write(program, ('image',), ('features',), dict(prepare=steps), out, program)


def _write(
    program: nn.Module,
    inputs: tuple[str, ...],
    outputs: tuple[str, ...],
    about: dict[str, Any],
    out: Path,
    wanted: nn.Module,
    exact: bool = True,
) -> None:
    """Write a program, once its file does what the wanted one does, or nearly so."""
    require('onnxscript', 'onnxruntime')
    about = dict(format=FORMAT, version=__version__) | about
    program.eval().requires_grad_(False)
    shown, others = (
        _shown(inputs, ((250, 330), (201, 290))),
        _shown(inputs, ((417, 290), (96, 128))),
    )
    try:
        exported = _translate(program, shown, outputs)
    except Exception as error:  # of a dozen kinds, by what it is that stops the translation
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UserError(f'ONNX cannot express a part of the detector: {first}') from error
    exported.model.metadata_props['mmgreen'] = json.dumps(about)
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(f'.{out.name}.part')
    try:
        exported.save(part)
        _compare(wanted.eval(), part, others, exact)
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)


def _shown(names: Sequence[str], sizes: Sequence[tuple[int, int]]) -> dict[str, torch.Tensor]:
    """What a program is tried with: the first of two images, or both as a batch."""
    images = [_blocks(seed, size) for seed, size in enumerate(sizes)]
    if len(names) == 1:
        return {names[0]: images[0]}
    return {name: torch.from_numpy(x) for name, x in as_batch([i.numpy() for i in images]).items()}


def check_padding(divisor: int, steps: list[dict[str, Any]]) -> None:
    """An exported detector pads images to multiples of :data:`.detectors.STRIDE`; so must the model.

    Args:
        divisor: ``pad_size_divisor`` of its preprocessor.
        steps: Steps of :func:`preparation`.

    Raises:
        UserError: If it pads to something else.
    """
    padded = any(step['op'] == 'pad' and not np.any(np.mod(step['size'], STRIDE)) for step in steps)
    if divisor != STRIDE and not (divisor == 1 and padded):
        raise UserError(
            f'model.data_preprocessor.pad_size_divisor is {divisor}, and exported detectors pad '
            f'images to multiples of {STRIDE}: set it to {STRIDE}'
        )


def exportable(model: nn.Module, half: bool = False) -> Detecting:
    """The program of a detector.

    Args:
        model: A model of mmdet.
        half: See :class:`.detectors.Exportable`.

    Raises:
        UserError: If its parts are not those that can be exported.
    """
    if any(isinstance(m, ShiftWindowMSA) and not m.pad_small_map for m in model.modules()):
        raise UserError(
            'the backbone does not pad maps smaller than a window, by which images of any size could '
            'not be exported: set model.backbone.pad_small_map=True'
        )
    if hasattr(model, 'roi_head'):
        _check_dense(model.rpn_head)
        _check_roi_head(model.roi_head)
        return TwoStage(model, half)
    if type(model) is DINO and type(model.bbox_head) is DINOHead:
        return BoxQueries(model, half)
    if type(model) is Mask2Former and type(model.panoptic_head) is Mask2FormerHead:
        fusion: Any = model.panoptic_fusion_head
        if not fusion.test_cfg.get('instance_on'):
            raise UserError(
                'model.test_cfg.instance_on is false: set it to true to export instances'
            )
        return MaskQueries(model, half)
    head = getattr(model, 'bbox_head', None)
    if head is None or hasattr(model, 'mask_head'):
        raise _not_exported(type(model).__name__)
    _check_dense(head)
    return (OneStageWithMasks if type(head) in _WITH_MASKS else OneStage)(model, half)


def preparation(pipeline: Iterable[dict]) -> list[dict[str, Any]]:
    """What is done to an image before the detector sees it.

    Args:
        pipeline: Transforms of a config.

    Returns:
        Steps, each with an ``op``: ``resize`` to fit into ``size``, width and height, or if not
        ``keep_ratio`` to be it, or ``pad`` on the right and below to ``size`` by ``value``.

    Raises:
        UserError: If there is a step that an exported detector cannot be told.
    """
    steps: list[dict[str, Any]] = []
    for step in pipeline:
        name = step['type'].rsplit('.')[-1]
        plain = name == 'LoadImageFromFile' and step.get('color_type', 'color') == 'color'
        if plain or name.startswith(('LoadAnnotations', 'Pack')):
            continue
        size = step.get('scale' if name == 'Resize' else 'size')
        if name == 'Resize' and size:
            keep = bool(step.get('keep_ratio', False))
            steps.append(dict(op='resize', size=list(size), keep_ratio=keep))
        elif name == 'Pad' and size:
            value = step.get('pad_val', 0)
            value = value.get('img', 0) if isinstance(value, dict) else value
            steps.append(dict(op='pad', size=list(size), value=list(np.broadcast_to(value, 3))))
        else:
            raise UserError(
                f'test_pipeline has {step["type"]}, which a file for ONNX cannot do as it is set: it knows '
                'LoadImageFromFile in colour, Resize by scale and Pad by size'
            )
    return json.loads(json.dumps(steps, default=int))


def _check_dense(head: Any) -> None:
    """Boxes of a head must be made as :func:`.detectors.dense_boxes` makes them."""
    for part, known in (
        (head, (*_DENSE, *_WITH_MASKS)),
        (getattr(head, 'bbox_coder', None), _CODERS),
    ):
        if type(part) not in known:
            raise _not_exported(type(part).__name__)
    _check_nms(head.test_cfg)


def _check_roi_head(head: Any) -> None:
    if type(head) not in (StandardRoIHead, CascadeRoIHead):
        raise _not_exported(type(head).__name__)
    for part in head.modules():
        known = next((known for kind, known in _ROI_PARTS if isinstance(part, kind)), None)
        if known and type(part) not in known:
            raise _not_exported(type(part).__name__)
        if getattr(part, 'custom_activation', False):  # not softmax
            raise _not_exported(type(part.loss_cls).__name__)
    _check_nms(head.test_cfg)


def _check_nms(cfg: Any) -> None:
    kind = cfg.nms.get('type', 'nms')
    if kind != 'nms' or cfg.nms.get('class_agnostic'):
        kind = 'suppression across categories' if kind == 'nms' else kind
        raise UserError(
            f"test_cfg asks for {kind}, which ONNX has no operator for: set type='nms', and "
            'export again'
        )


def _not_exported(name: str) -> UserError:
    return UserError(
        f'{name} cannot be exported: exported are Faster, Mask and Cascade R-CNN, RetinaNet, FCOS, '
        'ATSS, RTMDet, RTMDet-Ins, DINO and Mask2Former'
    )


def _blocks(seed: int, size: tuple[int, int]) -> torch.Tensor:
    """An image of large coloured squares, (height, width, 3)."""
    rows, cols = (np.arange(side) // 40 for side in size)
    colours = np.random.default_rng(seed).integers(
        0, 256, (rows[-1] + 1, cols[-1] + 1, 3), np.uint8
    )
    return torch.from_numpy(colours[rows][:, cols])


def _translate(program: nn.Module, shown: dict[str, torch.Tensor], outputs: tuple[str, ...]) -> Any:
    """A program in ONNX, for images of any size, and any number of them."""
    of_any_size = dict(
        image={0: _ANY, 1: _ANY}, images={0: _ANY, 1: _ANY, 2: _ANY}, sizes={0: _ANY}
    )
    with (
        warnings.catch_warnings(),
        torch.no_grad(),
        quiet(*map(logging.getLogger, ('onnx_ir', 'onnxscript'))),
    ):
        warnings.simplefilter('ignore')
        traced = torch.export.export(
            program,
            tuple(shown.values()),
            dynamic_shapes=tuple(of_any_size[name] for name in shown),
            strict=False,
        )
        exported = torch.onnx.export(
            traced,
            dynamo=True,
            opset_version=_OPSET,
            input_names=list(shown),
            output_names=list(outputs),
            verbose=False,
        )
    assert exported is not None
    _name_sides(exported.model)
    return exported


def _name_sides(model: Any) -> None:
    """Call dimensions what they are."""
    import onnx_ir

    sides: dict[str, list[str | int]] = dict(
        image=['height', 'width', 3], images=['batch', 'height', 'width', 3], sizes=['batch', 2]
    )
    for given in model.graph.inputs:
        given.shape = onnx_ir.Shape(sides[given.name])
    for out in model.graph.outputs:
        if out.name in _DETECTIONS:
            out.shape = onnx_ir.Shape(['detections', *out.shape[1:]])
        elif out.name == 'counts':
            out.shape = onnx_ir.Shape(['batch'])


def _compare(program: nn.Module, path: Path, shown: dict[str, torch.Tensor], exact: bool) -> None:
    """Refuse a file that finds something else than the detector."""
    with torch.no_grad():
        wanted = [x.numpy() for x in program(*shown.values())]
    found = open_session(path).run(None, {name: x.numpy() for name, x in shown.items()})
    if exact:
        same = all(
            a.shape == b.shape and np.allclose(a, b, rtol=1e-3, atol=1e-2)
            for a, b in zip(wanted, found, strict=True)
        )
    else:
        same = _alike(wanted, found) and _alike(found, wanted)
    if not same:
        raise UserError(
            'the exported detector finds something else than the model on a test image, so nothing '
            f'was written: {"report it with the config" if exact else "try it without --half, and report it"}'
        )


def _alike(some: Sequence[np.ndarray], others: Sequence[np.ndarray]) -> bool:
    """Whether nearly all of some detections are among others, to two hundredths of the score."""
    (boxes, scores, labels), (theirs, those, kinds) = some[:3], others[:3]
    least = np.maximum(boxes[:, None, :2], theirs[:, :2])
    most = np.minimum(boxes[:, None, 2:], theirs[:, 2:])
    inside = (most - least).clip(min=0).prod(2)
    areas = [(each[:, 2:] - each[:, :2]).prod(1) for each in (boxes, theirs)]
    overlaps = inside / (areas[0][:, None] + areas[1] - inside).clip(min=1e-6)
    near = np.abs(scores[:, None] - those) < 0.02
    there = ((overlaps > 0.9) & near & (labels[:, None] == kinds)).any(1)
    return bool(there.mean() >= 0.9) if len(there) else True
