"""ONNX files, opened by onnxruntime, with TensorRT or without, or by OpenVINO."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np

from mmgreen.errors import UserError

#: Number of the format of inputs, outputs and metadata; files of other numbers are not read.
FORMAT = 1
#: Environment variable that says what runs a file, one of :data:`RUNTIMES`.
RUNTIME = 'MMGREEN_RUNTIME'
#: All compute in float32, or in the type that is behind their name: OpenVINO on processors that are faster so, and
#: TensorRT, a part of onnxruntime, on GPUs.
RUNTIMES = ('onnxruntime', 'tensorrt', 'tensorrt-fp16', 'openvino', 'openvino-bf16')
_TENSORRT = 'TensorrtExecutionProvider'


@dataclass(frozen=True)
class Runtime:
    """A file, opened by a program that runs it.

    Attributes:
        run: From inputs, by name, to the outputs: ``image``, RGB, uint8, (height, width, 3), or what
            :func:`as_batch` gives.
        about: What ``mmgreen export`` wrote of it as ``mmgreen``, JSON; None of other files.
    """

    run: Callable[..., Sequence[np.ndarray]]
    about: str | None


def as_batch(images: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    """Images as a file for batches takes them.

    Args:
        images: RGB, uint8, (height, width, 3), of any sizes.

    Returns:
        ``images``, padded on the right and below to one size, and ``sizes``, the height and width of each.
    """
    sizes = np.array([image.shape[:2] for image in images])
    batch = np.zeros((len(images), *sizes.max(0), 3), np.uint8)
    for to, image in zip(batch, images, strict=True):
        to[: image.shape[0], : image.shape[1]] = image
    return dict(images=batch, sizes=sizes)


def require(*packages: str) -> None:
    """Stop where a package is not installed."""
    missing = [name for name in packages if find_spec(name) is None]
    if missing:
        raise UserError(
            f'{" and ".join(missing)} must be installed: pip install {" ".join(missing)}'
        )


def open_runtime(path: str | os.PathLike, name: str | None = None) -> Runtime:
    """Open a file by what is to run it.

    Args:
        path: ONNX file.
        name: One of :data:`RUNTIMES`; by default what ``MMGREEN_RUNTIME`` says, or onnxruntime.

    Raises:
        UserError: If it is not there or no ONNX file, or the runtime is not known or not installed.
    """
    name = name or os.environ.get(RUNTIME) or RUNTIMES[0]
    if name not in RUNTIMES:
        raise UserError(
            f"there is no runtime '{name}' ({RUNTIME}): take one of {', '.join(RUNTIMES)}"
        )
    kind, _, half = name.partition('-')
    if kind == 'openvino':
        return _open_openvino(path, bool(half))
    session = _open_tensorrt(path, bool(half)) if kind == 'tensorrt' else open_session(path)
    about = session.get_modelmeta().custom_metadata_map.get('mmgreen')
    return Runtime(lambda **inputs: session.run(None, inputs), about)


def runtimes_here() -> list[str]:
    """Those of :data:`RUNTIMES` whose packages are installed."""
    there = []
    for name in RUNTIMES:
        kind = name.partition('-')[0]
        found = find_spec('onnxruntime' if kind == 'tensorrt' else kind) is not None
        if found and kind == 'tensorrt':
            import onnxruntime

            found = _TENSORRT in onnxruntime.get_available_providers()
        there += [name] if found else []
    return there


def open_session(path: str | os.PathLike, first: Sequence[Any] = ()) -> Any:
    """A session of onnxruntime, on the GPU where its package can use one.

    Args:
        path: ONNX file.
        first: Providers that are asked before those of the GPU and the CPU.

    Raises:
        UserError: If it is not there, or no ONNX file.
    """
    require('onnxruntime')
    import onnxruntime

    if not os.path.isfile(path):
        raise UserError(f'{path} does not exist')
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    there = onnxruntime.get_available_providers()
    wanted = [p for p in ('CUDAExecutionProvider', 'CPUExecutionProvider') if p in there]
    try:
        return onnxruntime.InferenceSession(os.fspath(path), options, providers=[*first, *wanted])
    except Exception as error:
        raise _unreadable(path, error) from error


def _open_tensorrt(path: str | os.PathLike, half: bool) -> Any:
    """A session whose parts TensorRT runs where it can. It builds them anew for images of sizes that it did not see."""
    missing = UserError(
        'onnxruntime has no TensorRT here: pip install onnxruntime-gpu tensorrt, on a machine with a GPU of NVIDIA'
    )
    if 'tensorrt' not in runtimes_here():
        raise missing
    # What it built is kept beside the file: building takes minutes.
    kept = dict(trt_engine_cache_enable=True, trt_engine_cache_path=f'{os.fspath(path)}.tensorrt')
    session = open_session(path, [(_TENSORRT, kept | dict(trt_fp16_enable=half))])
    if (
        _TENSORRT not in session.get_providers()
    ):  # its libraries are not there, or of another version
        raise missing
    return session


def _open_openvino(path: str | os.PathLike, half: bool) -> Runtime:
    require('openvino')
    import openvino

    if not os.path.isfile(path):
        raise UserError(f'{path} does not exist')
    # By itself it computes in bfloat16 where a processor can, which finds other objects.
    settings: dict[str, Any] = {'INFERENCE_PRECISION_HINT': 'bf16' if half else 'f32'}
    if threads := os.environ.get('OMP_NUM_THREADS'):
        settings['INFERENCE_NUM_THREADS'] = int(threads)
    core = openvino.Core()
    try:
        model = core.read_model(os.fspath(path))
        compiled = core.compile_model(model, 'CPU', settings)
    except Exception as error:
        raise _unreadable(path, error) from error

    def run(**inputs: np.ndarray) -> list[np.ndarray]:
        found = compiled(inputs)
        return [found[out].copy() for out in compiled.outputs]

    key = ['framework', 'mmgreen']
    return Runtime(run, model.get_rt_info(key).astype(str) if model.has_rt_info(key) else None)


def _unreadable(path: str | os.PathLike, error: Exception) -> UserError:
    first = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return UserError(f'{path} cannot be read as an ONNX file: {first}')
