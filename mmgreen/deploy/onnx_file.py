"""Detectors as ONNX files, which know how their images are prepared and what their labels mean."""

import copy
import json
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmdet.models.dense_heads import ATSSHead, FCOSHead, RetinaHead, RPNHead
from mmdet.models.dense_heads.rtmdet_head import RTMDetHead, RTMDetSepBNHead
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

from mmgreen.errors import UserError
from mmgreen.version import __version__

from .detectors import STRIDE, Exportable, Features, OneStage, TwoStage
from .session import FORMAT, open_session, require

_OPSET = 18
# Those that share mmdet's way from maps to boxes.
_DENSE = (ATSSHead, FCOSHead, RetinaHead, RPNHead, RTMDetHead, RTMDetSepBNHead)
_CODERS = (DeltaXYWHBBoxCoder, DistancePointBBoxCoder)
_ROI_PARTS = (
    (BaseRoIExtractor, (SingleRoIExtractor,)),
    (BBoxHead, (BBoxHead, ConvFCBBoxHead, Shared2FCBBoxHead, Shared4Conv1FCBBoxHead)),
    (FCNMaskHead, (FCNMaskHead,)),
)
_DETECTIONS = ('boxes', 'scores', 'labels', 'masks')


def export_onnx(
    model: nn.Module,
    pipeline: Iterable[dict],
    classes: Iterable[str],
    out: Path,
    half: bool = False,
) -> None:
    """Write a detector as an ONNX file, once it has found the same as the detector.

    It takes an image ``image``, RGB, uint8, (height, width, 3), of any size, and gives ``boxes``
    (N, 4) as x1, y1, x2, y2 in its pixels, ``scores`` (N,), best first, ``labels`` (N,) and, of Mask
    R-CNN, ``masks`` (N, 28, 28), the probability that a point of the box is the object's. Its
    metadata say in JSON under ``mmgreen`` how an image is resized before (``prepare``), from which
    probability on a mask is an object (``mask_threshold``), the ``classes``, and the score to take
    detections from (``threshold``, or null).

    Args:
        model: A model of mmdet, on the CPU. Its shifted windows become symbolic.
        pipeline: That of its test images.
        classes: Names of the categories.
        out: File to write.
        half: Whether layers have 16 bits, in half of the space; boxes and suppression keep 32.

    Raises:
        UserError: If ONNX cannot express the detector, a package is missing, or what was exported
            finds something else.
    """
    steps = preparation(pipeline)
    check_padding(getattr(model.data_preprocessor, 'pad_size_divisor', 1), steps)
    about = dict(
        classes=list(classes),
        prepare=steps,
        mask_threshold=_mask_threshold(model),
        threshold=getattr(model, 'threshold', None),
    )
    # What has 16 bits is compared with what it was before.
    whole = exportable(copy.deepcopy(model)) if half else None
    _write(exportable(model, half), _DETECTIONS, about, out, whole)


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
    _write(Features(model), ('features',), dict(prepare=steps), out)


def _write(
    program: Exportable,
    outputs: tuple[str, ...],
    about: dict[str, Any],
    out: Path,
    whole: Exportable | None = None,
) -> None:
    """Write a program once it does as it does here, or as ``whole`` does, nearly."""
    require('onnxscript', 'onnxruntime')
    about = dict(format=FORMAT, version=__version__) | about
    program.eval().requires_grad_(False)
    rng = np.random.default_rng(0)
    image, other = (_blocks(rng, size) for size in ((250, 330), (417, 290)))
    try:
        exported = _translate(program, image, outputs)
    except Exception as error:  # of a dozen kinds, by what it is that stops the translation
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UserError(f'ONNX cannot express a part of the detector: {first}') from error
    exported.model.metadata_props['mmgreen'] = json.dumps(about)
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(f'.{out.name}.part')
    try:
        exported.save(part)
        _compare(whole.eval() if whole else program, part, other, whole is not None)
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)


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


def exportable(model: nn.Module, half: bool = False) -> Exportable:
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
    head = getattr(model, 'bbox_head', None)
    if head is None or hasattr(model, 'mask_head'):
        raise _not_exported(type(model).__name__)
    _check_dense(head)
    return OneStage(model, half)


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
    for part, known in ((head, _DENSE), (getattr(head, 'bbox_coder', None), _CODERS)):
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
        'ATSS and RTMDet'
    )


def _mask_threshold(model: nn.Module) -> float | None:
    head = getattr(model, 'roi_head', None)
    return float(head.test_cfg.mask_thr_binary) if head is not None and head.with_mask else None


def _blocks(rng: np.random.Generator, size: tuple[int, int]) -> torch.Tensor:
    """An image of large coloured squares, (height, width, 3)."""
    rows, cols = (np.arange(side) // 40 for side in size)
    colours = rng.integers(0, 256, (rows[-1] + 1, cols[-1] + 1, 3), dtype=np.uint8)
    return torch.from_numpy(colours[rows][:, cols])


def _translate(program: Exportable, image: torch.Tensor, outputs: tuple[str, ...]) -> Any:
    """A program in ONNX, for images of any size."""
    any_size = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter('ignore')
        traced = torch.export.export(program, (image,), dynamic_shapes=(any_size,), strict=False)
        exported = torch.onnx.export(
            traced,
            dynamo=True,
            opset_version=_OPSET,
            input_names=['image'],
            output_names=list(outputs[: len(program(image))]),
            verbose=False,
        )
    assert exported is not None
    _name_sides(exported.model)
    return exported


def _name_sides(model: Any) -> None:
    """Call dimensions what they are."""
    import onnx_ir

    image = model.graph.inputs[0]
    image.shape = onnx_ir.Shape(['height', 'width', 3])
    for out in model.graph.outputs:
        if out.name in _DETECTIONS:
            out.shape = onnx_ir.Shape(['detections', *out.shape[1:]])


def _compare(program: Exportable, path: Path, image: torch.Tensor, half: bool) -> None:
    """Refuse a file that finds something else than the detector."""
    with torch.no_grad():
        wanted = [x.numpy() for x in program(image)]
    found = open_session(path).run(None, {'image': image.numpy()})
    if half:
        same = _alike(wanted, found) and _alike(found, wanted)
    else:
        same = all(
            a.shape == b.shape and np.allclose(a, b, rtol=1e-3, atol=1e-2)
            for a, b in zip(wanted, found, strict=True)
        )
    if not same:
        raise UserError(
            'the exported detector finds something else than the model on a test image, so nothing '
            f'was written: {"export it without --half" if half else "report it with the config"}'
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
