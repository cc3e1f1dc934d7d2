"""Out into use: detectors as ONNX files, and such files in the place of models."""

from .exported import ExportedDetector, open_session, use_exported
from .onnx_file import export_onnx, preparation
from .windows import export_backbone, make_windows_symbolic

__all__ = [
    'ExportedDetector',
    'export_backbone',
    'export_onnx',
    'make_windows_symbolic',
    'open_session',
    'preparation',
    'use_exported',
]
