"""Running sums and products, differences."""

from __future__ import annotations

import builtins
from typing import Any

from fastconv.graph import bind, operation
from fastconv.ops.elementwise import add, multiply
from fastconv.ops.layout import concatenate
from fastconv.ops.operand import as_float, dtype_of, normalize_axis, operand
from fastconv.ops.reduction import sum


def _scan(name: str, x: Any, axis: int | None, dtype: str | None, neutral: float) -> Any:
    """Combined over distances 1, 2, 4 ...: log2(n) passes over the tensor (Hillis and Steele)."""
    x = operand(x)
    if dtype is not None and dtype != dtype_of(x):
        x = bind("cast", x, dtype=dtype)
    elif dtype_of(x) in ("bool", "uint8"):
        x = bind("cast", x, dtype="int32")
    if axis is None:
        x, axis = bind("reshape", x, shape=[_size(name, x)]), 0
    axis = normalize_axis(name, axis, x.ndim)
    n = x.shape[axis]
    if n is None:
        raise ValueError(f"{name}: the batch axis of shape {x.shape} cannot be run along")
    combine = add if name == "cumsum" else multiply
    distance = 1
    while distance < n:
        kept = x[(slice(None),) * axis + (slice(0, n - distance),)]
        pads = [0] * (2 * x.ndim)
        pads[2 * axis] = distance
        x = combine(x, bind("pad", kept, pads=pads, interior=[0] * x.ndim, value=neutral))
        distance *= 2
    return x


def _size(name: str, x: Any) -> int:
    n = 1
    for d in x.shape:
        if d is None:
            raise ValueError(f"{name}: a symbolic tensor needs an axis")
        n *= d
    return n


@operation
def cumsum(x: Any, axis: int | None = None, dtype: str | None = None) -> Any:
    """Running sums along an axis (None: of the flattened array).

    >>> cumsum([1.0, 2.0, 3.0])
    array([1., 3., 6.], dtype=float32)
    """
    return _scan("cumsum", x, axis, dtype, 0.0)


@operation
def cumprod(x: Any, axis: int | None = None, dtype: str | None = None) -> Any:
    """Running products along an axis (None: of the flattened array)."""
    return _scan("cumprod", x, axis, dtype, 1.0)


@operation
def diff(a: Any, n: int = 1, axis: int = -1) -> Any:
    """Differences of neighbours along an axis, taken n times.

    >>> diff([1.0, 4.0, 9.0])
    array([3., 5.], dtype=float32)
    """
    a = operand(a)
    axis = normalize_axis("diff", axis, a.ndim)
    key = (slice(None),) * axis
    if n < 0:
        raise ValueError(f"diff: n must not be negative, got {n}")
    size = a.shape[axis]
    for _ in range(n if size is None else builtins.min(n, size)):  # then nothing is left
        later, earlier = a[(*key, slice(1, None))], a[(*key, slice(0, a.shape[axis] - 1))]
        a = bind("subtract", later, earlier)  # not NumPy's, where small integers wrap
    return a


@operation
def trapezoid(y: Any, x: Any = None, dx: float = 1.0, axis: int = -1) -> Any:
    """The integral along an axis by the trapezoidal rule."""
    y = as_float(y)
    axis = normalize_axis("trapezoid", axis, y.ndim)
    key = (slice(None),) * axis
    means = 0.5 * (y[(*key, slice(1, None))] + y[(*key, slice(0, y.shape[axis] - 1))])
    if x is None:
        return sum(means * float(dx), axis)
    x = as_float(x)
    widths = diff(x)
    if x.ndim == 1:
        widths = bind("reshape", widths, shape=[widths.shape[0], *[1] * (y.ndim - axis - 1)])
    else:
        widths = diff(x, axis=axis)
    return sum(means * widths, axis)


@operation
def vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:
    """Rows of powers of the elements of a vector."""
    x = operand(x)
    n = x.shape[0] if N is None else int(N)
    if n > 1 << 21:  # each is a step of its own
        raise ValueError(f"vander: N = {n} columns are too many")
    powers = range(n) if increasing else range(n - 1, -1, -1)
    column = bind("reshape", x, shape=[x.shape[0], 1])
    return concatenate([bind("power", column, p) for p in powers], axis=1)
