"""New arrays, and conversions."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.graph import Array, Tensor, Variable, bind
from fastconv.ops.operand import dtype_of, fill, fill_like, operand


def zeros(shape: Any, dtype: str = "float32") -> Any:
    """Zeros; the shape may start with a symbolic batch size from ``ops.shape``."""
    return fill("zeros", shape, 0, dtype)


def ones(shape: Any, dtype: str = "float32") -> Any:
    """Ones; the shape may start with a symbolic batch size from ``ops.shape``."""
    return fill("ones", shape, 1, dtype)


def full(shape: Any, fill_value: float, dtype: str = "float32") -> Any:
    """One number everywhere."""
    return fill("full", shape, fill_value, dtype)


def zeros_like(x: Any, dtype: str | None = None) -> Any:
    """Zeros of the shape (and dtype) of x."""
    return fill_like(x, 0, dtype)


def ones_like(x: Any, dtype: str | None = None) -> Any:
    """Ones of the shape (and dtype) of x."""
    return fill_like(x, 1, dtype)


def full_like(x: Any, fill_value: float, dtype: str | None = None) -> Any:
    """One number in the shape (and dtype) of x."""
    return fill_like(x, fill_value, dtype)


def arange(
    start: float, stop: float | None = None, step: float = 1, dtype: str | None = None
) -> Array:
    """Evenly spaced numbers; int32 for integers, else float32.

    >>> arange(3)
    array([0, 1, 2], dtype=int32)
    """
    first, last = (0, start) if stop is None else (start, stop)
    values = np.arange(first, last, step)
    return values.astype(dtype or ("float32" if values.dtype.kind == "f" else "int32"))


def convert_to_tensor(x: Any, dtype: str | None = None) -> Any:
    """An array (float64 becomes float32), or the symbolic tensor itself."""
    x = operand(x)
    return x if dtype is None or dtype == dtype_of(x) else bind("cast", x, dtype=dtype)


def convert_to_numpy(x: Any) -> Array:
    """A NumPy array; a symbolic tensor has no values and raises ``TypeError``."""
    if isinstance(x, Tensor):
        raise TypeError(f"{x!r} is symbolic and has no values")
    return x.numpy() if isinstance(x, Variable) else np.asarray(x)
