"""Means, extremes and sums of other kinds, and those that leave NaN out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastconv.graph import bind, operation
from fastconv.graph.primitives.common import sized
from fastconv.ops.cumulative import cumprod, cumsum
from fastconv.ops.elementwise import cast, divide, exp, log, logical_not, sqrt, square, where
from fastconv.ops.layout import reshape
from fastconv.ops.operand import as_float, dtype_of, operand
from fastconv.ops.reduction import argmax, argmin, max, mean, min, prod, sum
from fastconv.ops.sorting import known_array

Axis = int | Sequence[int] | None


@operation
def logsumexp(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """log(sum(exp(x))), without overflow.

    >>> round(float(logsumexp([1000.0, 1000.0])), 3)
    1000.693
    """
    x = as_float(x)
    top = max(x, axis, keepdims=True)
    top = bind("stop_gradient", where(bind("isfinite", top), top, 0.0))
    total = log(sum(exp(x - top), axis, keepdims=True)) + top
    return _shaped(total, x, axis, keepdims)


@operation
def ptp(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """The largest less the smallest element."""
    return max(x, axis, keepdims) - min(x, axis, keepdims)


@operation
def average(x: Any, axis: int | None = None, weights: Any = None) -> Any:
    """The mean, each element counted by its weight.

    >>> float(average([1.0, 3.0], weights=[3.0, 1.0]))
    1.5
    """
    if weights is None:
        return mean(x, axis)
    x, w = as_float(x), as_float(weights)
    if w.shape == x.shape:
        return sum(x * w, axis) / sum(w, axis)
    if axis is None or w.ndim != 1:
        raise ValueError(f"average: weights {w.shape} do not fit {x.shape} and axis {axis}")
    shape = [1] * x.ndim
    shape[axis] = w.shape[0]
    return sum(x * reshape(w, shape), axis) / sum(w)


@operation
def psnr(x1: Any, x2: Any, max_val: float) -> Any:
    """The peak signal-to-noise ratio of two images, in decibels."""
    x1, x2 = as_float(x1), as_float(x2)
    if x1.shape != x2.shape:
        raise ValueError(f"psnr: shapes must be equal, got {x1.shape} and {x2.shape}")
    decibel = 10.0 / math.log(10.0)
    return 2.0 * decibel * math.log(max_val) - decibel * log(mean(square(x1 - x2)))


def _without(x: Any, value: float) -> Any:
    x = operand(x)
    if not dtype_of(x).startswith("float"):
        return x
    return where(bind("isnan", x), float(value), x)


@operation
def nansum(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """The sum of what is not NaN."""
    return sum(_without(x, 0.0), axis, keepdims)


@operation
def nanprod(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """The product of what is not NaN."""
    return prod(_without(x, 1.0), axis, keepdims)


@operation
def nancumsum(x: Any, axis: int | None = None, dtype: str | None = None) -> Any:
    """Running sums of what is not NaN."""
    return cumsum(_without(x, 0.0), axis, dtype)


@operation
def nancumprod(x: Any, axis: int | None = None, dtype: str | None = None) -> Any:
    """Running products of what is not NaN."""
    return cumprod(_without(x, 1.0), axis, dtype)


def _some(x: Any, axis: Axis) -> Any:
    return sum(cast(logical_not(bind("isnan", as_float(x))), "float32"), axis, keepdims=True)


def _shaped(y: Any, x: Any, axis: Axis, keepdims: bool) -> Any:
    return y if keepdims else reshape(y, sized(sum(x, axis).shape))


def _nan_extreme(reduce: Any, empty: float, x: Any, axis: Axis, keepdims: bool) -> Any:
    x = as_float(x)
    found = reduce(_without(x, empty), axis, keepdims=True)
    return _shaped(where(_some(x, axis) > 0.0, found, math.nan), x, axis, keepdims)


@operation
def nanmax(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """The largest of what is not NaN; NaN where there is nothing."""
    return _nan_extreme(max, -math.inf, x, axis, keepdims)


@operation
def nanmin(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """The smallest of what is not NaN; NaN where there is nothing."""
    return _nan_extreme(min, math.inf, x, axis, keepdims)


@operation
def nanmean(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """The mean of what is not NaN."""
    x = as_float(x)
    found = divide(sum(_without(x, 0.0), axis, keepdims=True), _some(x, axis))
    return _shaped(found, x, axis, keepdims)


@operation
def nanvar(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """The variance of what is not NaN, divided by its number."""
    x = as_float(x)
    apart = x - nanmean(x, axis, keepdims=True)
    return nanmean(square(apart), axis, keepdims)


@operation
def nanstd(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """The root of ``nanvar``."""
    return sqrt(nanvar(x, axis, keepdims))


@operation
def nanargmax(x: Any, axis: int | None = None, keepdims: bool = False) -> Any:
    """The position of the largest element that is not NaN, int32; -1 where there is none."""
    found = argmax(_without(x, -math.inf), axis, keepdims)
    return _nowhere(found, x, axis)


@operation
def nanargmin(x: Any, axis: int | None = None, keepdims: bool = False) -> Any:
    """The position of the smallest element that is not NaN, int32; -1 where there is none."""
    found = argmin(_without(x, math.inf), axis, keepdims)
    return _nowhere(found, x, axis)


def _nowhere(found: Any, x: Any, axis: int | None) -> Any:
    some = reshape(_some(x, axis), sized(found.shape))
    return cast(where(some > 0.0, found, -1), "int32")


def _lines(x: Any, q: Any, axis: Axis, method: str, keepdims: bool) -> Any:
    """Quantiles of what is not NaN, on arrays."""
    data = known_array("nanquantile", as_float(x))
    axes: Any = tuple(axis) if isinstance(axis, (list, tuple)) else axis
    named: Any = method
    made = np.nanquantile(data, q, axes, method=named, keepdims=keepdims)
    return np.asarray(made, np.float32)


@operation
def nanquantile(
    x: Any, q: Any, axis: Axis = None, method: str = "linear", keepdims: bool = False
) -> Any:
    """``quantile`` of what is not NaN; arrays only."""
    return _lines(x, q, axis, method, keepdims)


@operation
def nanpercentile(
    x: Any, q: Any, axis: Axis = None, method: str = "linear", keepdims: bool = False
) -> Any:
    """``percentile`` of what is not NaN; arrays only."""
    return _lines(x, np.asarray(q) / 100.0, axis, method, keepdims)


@operation
def nanmedian(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """``median`` of what is not NaN; arrays only."""
    return _lines(x, 0.5, axis, "linear", keepdims)


amax, amin = max, min
