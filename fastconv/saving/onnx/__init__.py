"""Models as ONNX files, for other runtimes."""

from fastconv.saving.onnx.export import export_model

__all__ = ["export_model"]
