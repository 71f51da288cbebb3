"""Pooling in NumPy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastconv.graph.tensor import Array
from fastconv.reference.linear import add_windows, windows


def _max_pool2d(
    x: Array, *, pool: Sequence[int], strides: Sequence[int], padding: Sequence[int]
) -> Any:
    """The first maximum of each window in row-major order; NaN is larger than any number."""
    view = windows(x, pool, strides, padding, value=-np.inf)
    n, oh, ow, kh, kw, c = view.shape
    flat = view.reshape(n, oh, ow, kh * kw, c)
    index = flat.argmax(axis=3)
    y = np.take_along_axis(flat, index[:, :, :, None], axis=3)[:, :, :, 0]
    if any(padding):  # padding never wins, not even against -inf
        inside = windows(np.ones_like(x, np.bool_), pool, strides, padding)
        inside = inside.reshape(flat.shape)
        first = (inside & ((flat == y[:, :, :, None]) | np.isnan(flat))).argmax(axis=3)
        index = first
    return y, index.astype(np.uint8 if kh * kw <= 255 else np.int32)


def _max_pool2d_grad(
    dy: Array,
    index: Array,
    *,
    pool: Sequence[int],
    strides: Sequence[int],
    padding: Sequence[int],
    input_shape: Sequence[int],
) -> Any:
    n, oh, ow, c = dy.shape
    position = np.arange(pool[0] * pool[1])[:, None]
    view = np.where(index[:, :, :, None] == position, dy[:, :, :, None], dy.dtype.type(0))
    view = view.reshape(n, oh, ow, *pool, c)
    return add_windows(view, strides, padding, (1, 1), input_shape)


def _counts(
    size: Sequence[int],
    pool: Sequence[int],
    strides: Sequence[int],
    padding: Sequence[int],
    dtype: Any,
) -> Any:
    """Elements of the image in each window: (OH, OW, 1)."""
    inside = windows(np.ones((1, *size, 1), dtype), pool, strides, padding)
    return inside.sum(axis=(3, 4))[0]


def _average_pool2d(
    x: Array, *, pool: Sequence[int], strides: Sequence[int], padding: Sequence[int]
) -> Any:
    total = windows(x, pool, strides, padding).sum(axis=(3, 4))
    return total / _counts(x.shape[1:3], pool, strides, padding, x.dtype)


def _average_pool2d_grad(
    dy: Array,
    *,
    pool: Sequence[int],
    strides: Sequence[int],
    padding: Sequence[int],
    input_shape: Sequence[int],
) -> Any:
    share = dy / _counts(input_shape, pool, strides, padding, dy.dtype)
    n, oh, ow, c = share.shape
    view = np.broadcast_to(share[:, :, :, None, None], (n, oh, ow, *pool, c))
    return add_windows(view, strides, padding, (1, 1), input_shape)


EVAL: dict[str, Callable[..., Any]] = {
    "max_pool2d": _max_pool2d,
    "max_pool2d_grad": _max_pool2d_grad,
    "average_pool2d": _average_pool2d,
    "average_pool2d_grad": _average_pool2d_grad,
}
