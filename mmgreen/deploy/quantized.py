"""Exported files whose layers have eight bits, for processors."""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmengine.logging import print_log

from mmgreen.errors import UserError

from .session import as_batch, open_runtime, require

_LAYERS = ['Conv', 'ConvTranspose', 'Gemm', 'MatMul']
# Share of objects that are to be found again: 98 % went with the same AP, 93 % with a point and a half less (docs/deploy.md).
_LEAST = 0.95
_DEFAULT_THRESHOLD = 0.3


def quantize(path: Path, out: Path, images: Sequence[np.ndarray], threshold: float | None) -> None:
    """Write a file with layers of eight bits, once it finds nearly all objects of some images again.

    onnxruntime runs it on a processor in less time, and it takes half of the space. Ranges of numbers between layers
    are the largest that images show, weights have a range for each channel (onnxruntime's static quantisation).

    Args:
        path: A detector's file in float32 (:func:`export_onnx`).
        out: File to write.
        images: As they are given to the file, of the training: RGB, uint8, (height, width, 3).
        threshold: Score from which objects are compared; 0.3 where it is None.

    Raises:
        UserError: If a package is missing, or one in twenty objects is not found again.
    """
    require('onnxruntime', 'onnx')
    import onnx
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    batch = 'images' in {
        given.name for given in onnx.load(path, load_external_data=False).graph.input
    }
    inputs = [as_batch([image]) if batch else dict(image=image) for image in images]

    class Shown(quantization.CalibrationDataReader):  # type: ignore[misc]
        left = iter(inputs)

        def get_next(self) -> dict[str, np.ndarray] | None:
            return next(self.left, None)

    out.parent.mkdir(parents=True, exist_ok=True)
    part, prepared = (out.with_name(f'.{out.name}.{kind}') for kind in ('part', 'prepared'))
    try:
        quant_pre_process(path, prepared, skip_symbolic_shape=True)
        quantization.quantize_static(
            prepared,
            part,
            Shown(),
            op_types_to_quantize=_LAYERS,
            per_channel=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
        )
        # What the file says of itself, and the names of its dimensions.
        whole, small = onnx.load(path), onnx.load(part)
        for ours, theirs in (
            (small.metadata_props, whole.metadata_props),
            (small.graph.input, whole.graph.input),
            (small.graph.output, whole.graph.output),
        ):
            del ours[:]
            ours.extend(theirs)
        onnx.save(small, part)
        found = _found_again(path, part, inputs, threshold or _DEFAULT_THRESHOLD)
        if found < _LEAST:
            raise UserError(
                f'layers of eight bits find {found:.0%} of the objects again, so nothing was written: export without --int8'
            )
        print_log(
            f'Of {len(images)} training images, layers of eight bits find {found:.0%} of the objects again: '
            'compare both files by mmgreen test',
            logger='current',
            level=logging.INFO,
        )
        part.replace(out)
    finally:
        for file in (part, prepared):
            file.unlink(missing_ok=True)


def _found_again(
    path: Path, other: Path, inputs: Sequence[dict[str, np.ndarray]], threshold: float
) -> float:
    """The share of objects of one file that another finds in at least half of their place; 1 where there are none."""
    from pycocotools import mask as mask_api

    runs, found = [open_runtime(file, 'onnxruntime').run for file in (path, other)], []
    for given in inputs:
        each = []
        for run in runs:
            boxes, scores, labels = run(**given)[:3]
            boxes = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], 1).astype(float)
            each.append((boxes[scores >= threshold], labels[scores >= threshold]))
        (ours, kinds), (theirs, others) = each
        if len(ours) and len(theirs):
            overlaps = mask_api.iou(ours, theirs, [False] * len(theirs))
            found.extend(((overlaps > 0.5) & (kinds[:, None] == others)).any(1))
        else:
            found.extend([False] * len(ours))
    return float(np.mean(found)) if found else 1.0
