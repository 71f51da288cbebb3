"""Reductions in NumPy."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastconv.graph.tensor import Array
from fastconv.reference.pointwise import as_float, numbers


def _reduce(f: Callable[..., Any], prepare: Callable[[Array], Array]) -> Callable[..., Any]:
    def run(x: Array, *, axes: Sequence[int], keepdims: int = 0) -> Any:
        return f(prepare(x), axis=tuple(axes), keepdims=bool(keepdims))

    return run


def _number(x: Array) -> Array:
    result: Array = numbers(x)[0]
    return result


def _total(f: Callable[..., Any]) -> Callable[..., Any]:
    """In the dtype of x: NumPy would widen int32."""
    return lambda x, axis, keepdims: f(x, axis=axis, keepdims=keepdims, dtype=x.dtype)


def _mean(x: Array, axis: tuple[int, ...], keepdims: bool) -> Any:
    n = math.prod(x.shape[a] for a in axis)
    with np.errstate(invalid="ignore"):  # the mean of nothing is NaN
        return np.sum(x, axis=axis, keepdims=keepdims) / x.dtype.type(n)


def _count(x: Array, *, axes: Sequence[int]) -> Any:
    dtype = x.dtype if x.dtype.kind == "f" else np.float32
    return np.asarray(math.prod(x.shape[a] for a in axes), dtype)


EVAL: dict[str, Callable[..., Any]] = {
    "sum": _reduce(_total(np.sum), _number),
    "mean": _reduce(_mean, as_float),
    "max": _reduce(np.max, lambda x: x),
    "min": _reduce(np.min, lambda x: x),
    "prod": _reduce(_total(np.prod), _number),
    "argmax": lambda x, *, axis: np.argmax(x, axis=axis).astype(np.int32),
    "argmin": lambda x, *, axis: np.argmin(x, axis=axis).astype(np.int32),
    "count": _count,
}
