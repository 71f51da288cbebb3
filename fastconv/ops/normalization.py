"""Batch normalization."""

from __future__ import annotations

from typing import Any

from fastconv.graph import bind
from fastconv.ops.operand import as_float, normalize_axis


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
