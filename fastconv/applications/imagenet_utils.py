"""Pixels as the published nets take them."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv import ops
from fastconv.config import standardize_data_format

_BGR_MEANS = (103.939, 116.779, 123.68)  # of ImageNet's pixels
_RGB_MEANS, _RGB_DEVIATIONS = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of 0..1


def preprocess_input(x: Any, data_format: str | None = None, mode: str = "caffe") -> Any:
    """RGB pixels in 0..255, of one image or a batch, as the nets of a family take them.

    Args:
        x: an array, which is not changed, or a symbolic tensor.
        data_format: ``"channels_last"`` or ``"channels_first"``; None means the configured format.
        mode: ``"caffe"``: channels in the order BGR, each less its mean over ImageNet; ``"tf"``:
            from -1 to 1; ``"torch"``: from 0 to 1, each channel less ImageNet's mean and divided
            by its standard deviation.

    Raises:
        ValueError: for another mode or format.

    >>> preprocess_input(np.full((1, 1, 3), 255), mode="tf")[0, 0]
    array([1., 1., 1.], dtype=float32)
    """
    first = standardize_data_format(data_format) == "channels_first"
    pixels = ops.cast(x, "float32")
    if mode == "tf":
        return pixels / 127.5 - 1.0
    if mode == "torch":
        return (pixels / 255.0 - _row(_RGB_MEANS, first)) / _row(_RGB_DEVIATIONS, first)
    if mode == "caffe":
        return ops.flip(pixels, -3 if first else -1) - _row(_BGR_MEANS, first)
    raise ValueError(f"preprocess_input: mode must be 'caffe', 'tf' or 'torch', got {mode!r}")


def _row(values: tuple[float, ...], channels_first: bool) -> Any:
    return np.array(values, np.float32).reshape((3, 1, 1) if channels_first else (3,))


def caffe(x: Any, data_format: str | None = None) -> Any:
    """The ``preprocess_input`` of VGG and ResNet."""
    return preprocess_input(x, data_format, "caffe")


def tf(x: Any, data_format: str | None = None) -> Any:
    """The ``preprocess_input`` of MobileNet."""
    return preprocess_input(x, data_format, "tf")


__all__ = ["preprocess_input"]
