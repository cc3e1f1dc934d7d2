"""ONNX files, opened."""

import os
from importlib.util import find_spec
from typing import Any

from mmgreen.errors import UserError

#: Number of the format of inputs, outputs and metadata; files of other numbers are not read.
FORMAT = 1


def require(*packages: str) -> None:
    """Stop where a package is not installed."""
    missing = [name for name in packages if find_spec(name) is None]
    if missing:
        raise UserError(
            f'{" and ".join(missing)} must be installed: pip install {" ".join(missing)}'
        )


def open_session(path: str | os.PathLike) -> Any:
    """A session of onnxruntime, on the GPU where its package can use one.

    Args:
        path: ONNX file.

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
        return onnxruntime.InferenceSession(os.fspath(path), options, providers=wanted)
    except Exception as error:
        first = str(error).splitlines()[0]
        raise UserError(f'{path} cannot be read as an ONNX file: {first}') from error
