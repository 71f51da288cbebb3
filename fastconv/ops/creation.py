"""New arrays, and conversions."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.graph import Array, Tensor, Variable, bind, operation
from fastconv.ops.operand import dtype_of, fill, fill_like, operand


def zeros(shape: Any, dtype: str | None = None) -> Any:
    """Zeros; the shape may start with a symbolic batch size from ``ops.shape``."""
    return fill("zeros", shape, 0, dtype or "float32")


def ones(shape: Any, dtype: str | None = None) -> Any:
    """Ones; the shape may start with a symbolic batch size from ``ops.shape``."""
    return fill("ones", shape, 1, dtype or "float32")


def full(shape: Any, fill_value: float, dtype: str | None = None) -> Any:
    """One number everywhere."""
    return fill("full", shape, fill_value, dtype or "float32")


@operation
def zeros_like(x: Any, dtype: str | None = None) -> Any:
    """Zeros of the shape (and dtype) of x."""
    return fill_like(x, 0, dtype)


@operation
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
    if step == 0:
        raise ValueError("arange: step must not be 0")
    values = np.arange(first, last, step)
    if dtype is None and values.dtype.kind == "i" and values.size:
        int32 = np.iinfo(np.int32)
        if values.min() < int32.min or values.max() > int32.max:
            raise ValueError(f"arange: {first} to {last} is beyond int32")
    return values.astype(dtype or ("float32" if values.dtype.kind == "f" else "int32"))


@operation
def convert_to_tensor(x: Any, dtype: str | None = None) -> Any:
    """An array (float64 becomes float32), or the symbolic tensor itself."""
    x = operand(x)
    return x if dtype is None or dtype == dtype_of(x) else bind("cast", x, dtype=dtype)


def convert_to_numpy(x: Any) -> Array:
    """A NumPy array; a symbolic tensor has no values and raises ``TypeError``."""
    if isinstance(x, Tensor):
        raise TypeError(f"{x!r} is symbolic and has no values")
    return x.numpy() if isinstance(x, Variable) else np.asarray(x)


@operation
def array(x: Any, dtype: str | None = None) -> Any:
    """``convert_to_tensor``."""
    return convert_to_tensor(x, dtype)


@operation
def copy(x: Any) -> Any:
    """The same values in memory of their own."""
    x = operand(x)
    return x if isinstance(x, Tensor) else x.copy()


def empty(shape: Any, dtype: str | None = None) -> Any:
    """``zeros``."""
    return fill("empty", shape, 0, dtype or "float32")


@operation
def empty_like(x: Any, dtype: str | None = None) -> Any:
    """``zeros_like``."""
    return fill_like(x, 0, dtype)


def eye(N: int, M: int | None = None, k: int = 0, dtype: str | None = None) -> Array:
    """Ones on the kth diagonal.

    >>> eye(2)
    array([[1., 0.],
           [0., 1.]], dtype=float32)
    """
    return np.eye(N, M, k, dtype=dtype or "float32")


def identity(n: int, dtype: str | None = None) -> Array:
    """Ones on the diagonal of a square matrix."""
    return np.eye(n, dtype=dtype or "float32")


def linspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: str | None = None,
    axis: int = 0,
) -> Any:
    """``num`` evenly spaced numbers from ``start`` to ``stop``, which comes last if ``endpoint``.

    >>> linspace(0, 1, 3)
    array([0. , 0.5, 1. ], dtype=float32)
    """
    made, step = np.linspace(
        convert_to_numpy(start), convert_to_numpy(stop), num, endpoint, retstep=True, axis=axis
    )
    values = made.astype(dtype or "float32")
    return (values, np.asarray(step, np.float32)) if retstep else values


def logspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    base: float = 10,
    dtype: str | None = None,
    axis: int = 0,
) -> Array:
    """``base`` to the power of evenly spaced numbers."""
    exponents = np.linspace(
        convert_to_numpy(start), convert_to_numpy(stop), num, endpoint, axis=axis
    )
    return np.power(float(base), exponents).astype(dtype or "float32")


def geomspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    dtype: str | None = None,
    axis: int = 0,
) -> Array:
    """Numbers from ``start`` to ``stop`` with equal ratios."""
    made = np.geomspace(convert_to_numpy(start), convert_to_numpy(stop), num, endpoint, axis=axis)
    return made.astype(dtype or "float32")


def bartlett(x: int) -> Array:
    """The triangular window of x points."""
    return np.bartlett(int(x)).astype(np.float32)


def blackman(x: int) -> Array:
    """Blackman's window of x points."""
    return np.blackman(int(x)).astype(np.float32)


def hamming(x: int) -> Array:
    """Hamming's window of x points."""
    return np.hamming(int(x)).astype(np.float32)


def hanning(x: int) -> Array:
    """Hann's window of x points."""
    return np.hanning(int(x)).astype(np.float32)


def kaiser(x: int, beta: float) -> Array:
    """Kaiser's window of x points."""
    return np.kaiser(int(x), beta).astype(np.float32)


def dtype(x: Any) -> str:
    """The name of the dtype."""
    return dtype_of(operand(x))


def is_tensor(x: Any) -> bool:
    """Whether x is an array, a variable or a symbolic tensor."""
    return isinstance(x, (Tensor, Variable, np.ndarray))


@operation
def saturate_cast(x: Any, dtype: str) -> Any:
    """x as another dtype, numbers outside of its range limited to it."""
    x = operand(x)
    if not dtype.startswith("float") and dtype != "bool":
        limits = np.iinfo(dtype)
        low, high = max(limits.min, -(2**31)), min(limits.max, 2**31 - 1)
        if dtype_of(x).startswith("float"):  # the largest float32 below 2**31
            high = min(high, 2147483520)
        x = bind("minimum", bind("maximum", x, low), high)
    return bind("cast", x, dtype=dtype)
