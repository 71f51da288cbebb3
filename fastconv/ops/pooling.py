"""Pooling of images (two axes) and sequences (one)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastconv.graph import bind, operation
from fastconv.graph.precision import unrounded
from fastconv.ops import reduction
from fastconv.ops.convolution import (
    Size,
    channels_first,
    explicit_padding,
    to_channels_first,
    to_channels_last,
    with_height,
    without_height,
)
from fastconv.ops.layout import concatenate
from fastconv.ops.operand import as_float, pair


def _pool(
    name: str,
    inputs: Any,
    pool_size: Size,
    strides: Size | None,
    padding: str | Sequence[int],
    data_format: str | None,
) -> Any:
    x = as_float(inputs)
    if x.ndim not in (3, 4):
        raise ValueError(
            f"{name}: inputs must be (batch, height, width, channels) or "
            f"(batch, length, channels), got {x.shape}"
        )
    axes, first = x.ndim - 2, channels_first(data_format)
    x = to_channels_last(x) if first else x
    x = with_height(x) if axes == 1 else x

    def window(argument: str, value: Size) -> list[int]:
        if axes == 2:
            return pair(name, argument, value)
        return pair(name, argument, [1, value if isinstance(value, int) else value[0]])

    pool = window("pool_size", pool_size)
    steps = pool if strides is None else window("strides", strides)
    pads = explicit_padding(name, padding, x.shape[1:3], pool, steps)
    if name == "max_pool":
        y = bind("max_pool2d", unrounded(x), pool=pool, strides=steps, padding=pads)[0]
        y = y if unrounded(x) is x else bind("cast", y, dtype=x.dtype)  # of equal numbers
    else:
        y = bind("average_pool2d", x, pool=pool, strides=steps, padding=pads)
    y = without_height(y) if axes == 1 else y
    return to_channels_first(y) if first else y


@operation
def max_pool(
    inputs: Any,
    pool_size: Size,
    strides: Size | None = None,
    padding: str | Sequence[int] = "valid",
    data_format: str | None = None,
) -> Any:
    """The maximum of each window; ``strides`` defaults to the window.

    (batch, height, width, channels) or (batch, length, channels); ``padding`` as in ``conv``.

    >>> max_pool(np.arange(16).reshape(1, 4, 4, 1), 2)[0, :, :, 0]
    array([[ 5.,  7.],
           [13., 15.]], dtype=float32)
    """
    return _pool("max_pool", inputs, pool_size, strides, padding, data_format)


@operation
def average_pool(
    inputs: Any,
    pool_size: Size,
    strides: Size | None = None,
    padding: str | Sequence[int] = "valid",
    data_format: str | None = None,
) -> Any:
    """The mean of each window, padding left out of the count; ``strides`` as in ``max_pool``."""
    return _pool("average_pool", inputs, pool_size, strides, padding, data_format)


def _adaptive_pool(
    name: str, inputs: Any, output_size: Size, data_format: str | None, reduce: Any
) -> Any:
    x = as_float(inputs)
    if x.ndim not in (3, 4):
        raise ValueError(
            f"{name}: inputs must be (batch, height, width, channels) or "
            f"(batch, length, channels), got {x.shape}"
        )
    axes = range(2, x.ndim) if channels_first(data_format) else range(1, x.ndim - 1)
    given = [output_size] * len(axes) if isinstance(output_size, int) else list(output_size)
    lengths = [int(x.shape[axis]) for axis in axes]
    if len(given) != len(axes) or any(not 1 <= m <= n for m, n in zip(given, lengths, strict=True)):
        raise ValueError(
            f"{name}: output_size must be {len(axes)} numbers from 1 to the size of the inputs, "
            f"{lengths}, got {output_size!r}"
        )
    for axis, size, length in zip(axes, given, lengths, strict=True):
        parts = []
        for i in range(size):
            window = [slice(None)] * x.ndim
            window[axis] = slice(i * length // size, -(-(i + 1) * length // size))
            parts.append(reduce(x[tuple(window)], axis, keepdims=True))
        x = concatenate(parts, axis)
    return x


@operation
def adaptive_max_pool(inputs: Any, output_size: Size, data_format: str | None = None) -> Any:
    """The maximum of each of ``output_size`` windows that cover an axis evenly.

    Window i of m over n elements goes from ``floor(i * n / m)`` to ``ceil((i + 1) * n / m)``, so
    that windows overlap where m does not divide n. (batch, height, width, channels) or (batch,
    length, channels).

    Raises:
        ValueError: for inputs of another rank, or sizes that do not fit it.

    >>> adaptive_max_pool(np.arange(5).reshape(1, 5, 1), 2)[0, :, 0]
    array([2., 4.], dtype=float32)
    """
    return _adaptive_pool("adaptive_max_pool", inputs, output_size, data_format, reduction.max)


@operation
def adaptive_average_pool(inputs: Any, output_size: Size, data_format: str | None = None) -> Any:
    """The mean of each of ``output_size`` windows, which are those of ``adaptive_max_pool``.

    >>> adaptive_average_pool(np.arange(5).reshape(1, 5, 1), 2)[0, :, 0]
    array([1., 3.], dtype=float32)
    """
    return _adaptive_pool("adaptive_average_pool", inputs, output_size, data_format, reduction.mean)
