"""Normalization over the batch, and over the axes of each example."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastconv.graph import bind, operation
from fastconv.ops.operand import as_float, normalize_axes, normalize_axis
from fastconv.ops.reduction import mean


@operation
def batch_normalization(
    x: Any,
    mean: Any,
    variance: Any,
    axis: int = -1,
    offset: Any = None,
    scale: Any = None,
    epsilon: float = 1e-3,
) -> Any:
    """(x - mean) / sqrt(variance + epsilon) * scale + offset, with the statistics given.

    All four are rows of the size of ``axis``.
    """
    x = as_float(x)
    axis = normalize_axis("batch_normalization", axis, x.ndim)
    factor = bind("rsqrt", bind("add", as_float(variance), epsilon))
    if factor.shape != (x.shape[axis],):
        raise ValueError(
            f"batch_normalization: variance must have shape ({x.shape[axis]},), got {factor.shape}"
        )
    if scale is not None:
        factor = bind("multiply", factor, as_float(scale))
    shift = bind("multiply", bind("negative", as_float(mean)), factor)
    if offset is not None:
        shift = bind("add", shift, as_float(offset))
    if axis != x.ndim - 1:
        dims = [1] * (x.ndim - axis)
        dims[0] = x.shape[axis]
        factor, shift = bind("reshape", factor, shape=dims), bind("reshape", shift, shape=dims)
    return bind("add", bind("multiply", x, factor), shift)


def batch_norm_statistics(
    x: Any, gamma: Any, beta: Any, epsilon: float = 1e-3
) -> tuple[Any, Any, Any]:
    """Normalization with the statistics of the batch itself, over all axes but the last.

    Returns the result, and the mean and (biased) variance of each channel.
    """
    y, mean, variance = bind(
        "batch_norm", as_float(x), as_float(gamma), as_float(beta), epsilon=float(epsilon)
    )
    return y, mean, variance


@operation
def layer_normalization(
    x: Any,
    gamma: Any = None,
    beta: Any = None,
    axis: int | Sequence[int] = -1,
    epsilon: float | None = None,
) -> Any:
    """(x - mean) / sqrt(variance + epsilon) * gamma + beta over axes of each example.

    ``gamma`` and ``beta`` have the sizes of the axes; ``epsilon`` is 1e-7 if not given.

    >>> layer_normalization([[0.0, 2.0]], epsilon=0.0)
    array([[-1.,  1.]], dtype=float32)
    """
    x = as_float(x)
    axes = normalize_axes("layer_normalization", axis, x.ndim)
    apart = x - mean(x, axes, keepdims=True)
    variance = mean(bind("square", apart), axes, keepdims=True)
    y = apart * bind("rsqrt", variance + (1e-7 if epsilon is None else float(epsilon)))
    return _scaled("layer_normalization", y, gamma, beta, axes)


@operation
def rms_normalization(
    x: Any, scale: Any = None, axis: int | Sequence[int] = -1, epsilon: float | None = None
) -> Any:
    """x / sqrt(mean(x^2) + epsilon) * scale over axes of each example (arXiv:1910.07467)."""
    x = as_float(x)
    axes = normalize_axes("rms_normalization", axis, x.ndim)
    power = mean(bind("square", x), axes, keepdims=True)
    y = x * bind("rsqrt", power + (1e-7 if epsilon is None else float(epsilon)))
    return _scaled("rms_normalization", y, scale, None, axes)


def _scaled(name: str, y: Any, gamma: Any, beta: Any, axes: list[int]) -> Any:
    shape = [y.shape[i] if i in axes else 1 for i in range(y.ndim)]
    own = tuple(y.shape[i] for i in axes)
    for argument, combine, value in (("gamma", "multiply", gamma), ("beta", "add", beta)):
        if value is None:
            continue
        row = as_float(value)
        if row.shape not in (own, tuple(shape)):
            raise ValueError(f"{name}: {argument} must have shape {own}, got {row.shape}")
        y = bind(combine, y, bind("reshape", row, shape=shape))
    return y
