"""Out into use: detectors as ONNX files, and such files in the place of models."""

from .exported import ExportedDetector, as_rgb, use_exported
from .onnx_file import export_features, export_onnx, preparation
from .quantized import quantize
from .session import RUNTIMES, open_runtime, open_session, runtimes_here
from .windows import export_program, make_windows_symbolic

__all__ = [
    'RUNTIMES',
    'ExportedDetector',
    'as_rgb',
    'export_program',
    'export_features',
    'export_onnx',
    'make_windows_symbolic',
    'open_runtime',
    'open_session',
    'preparation',
    'quantize',
    'runtimes_here',
    'use_exported',
]
