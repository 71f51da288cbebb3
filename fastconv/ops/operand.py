"""What every function of ``fastconv.ops`` does with its arguments first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastconv.graph import Tensor, Variable, as_array, as_tensor, bind, current_trace
from fastconv.graph.primitives.common import batch_of, is_float, sized


def operand(x: Any) -> Any:
    """An array or a symbolic tensor; a variable is read."""
    if isinstance(x, Tensor):
        return x
    if isinstance(x, Variable) and current_trace() is not None:
        return as_tensor(x)
    return as_array(x)


def dtype_of(x: Any) -> str:
    return str(x.dtype)


def dtype_name(dtype: Any) -> str:
    """The name of a dtype of NumPy's, of Python's ``float``, ``int`` or ``bool``; None is float32.

    >>> dtype_name(np.int32), dtype_name(float), dtype_name("bool")
    ('int32', 'float32', 'bool')
    """
    if dtype is None or dtype is float:
        return "float32"
    return np.dtype(dtype).name if isinstance(dtype, (type, np.dtype)) else str(dtype)


def as_float(x: Any) -> Any:
    """An operand of a float type; others become float32."""
    x = operand(x)
    return x if is_float(dtype_of(x)) else bind("cast", x, dtype="float32")


def normalize_axis(name: str, axis: int, ndim: int) -> int:
    if not -ndim <= axis < ndim:
        raise ValueError(f"{name}: axis {axis} is out of range for {ndim} axes")
    return int(axis) % ndim


def normalize_axes(name: str, axis: int | Sequence[int] | None, ndim: int) -> list[int]:
    """None means every axis."""
    if axis is None:
        return list(range(ndim))
    listed = [axis] if isinstance(axis, (int, np.integer)) else list(axis)
    if not all(isinstance(a, (int, np.integer)) for a in listed):
        raise ValueError(f"{name}: axes must be whole numbers, got {axis!r}")
    axes = sorted(normalize_axis(name, int(a), ndim) for a in listed)
    if len(set(axes)) != len(axes):
        raise ValueError(f"{name}: axis {axis} names an axis twice")
    return axes


def pair(name: str, argument: str, value: int | Sequence[int]) -> list[int]:
    """Two positive integers, from one or two."""
    values = [value, value] if isinstance(value, (int, np.integer)) else list(value)
    if len(values) != 2 or any(int(v) != v or not 0 < v < 2**63 for v in values):
        raise ValueError(f"{name}: {argument} must be one or two positive integers, got {value!r}")
    return [int(v) for v in values]


def offsets(name: str, indices: Any, sizes: Any, strides: Any, end: int) -> Any:
    """Indices along axes of some sizes, as distances from the front, int32.

    Elements of an axis are ``strides`` apart. An index out of range is at ``end``, where nothing
    is; one that is known raises ``IndexError``.
    """
    at = bind("cast", operand(indices), dtype="int32")
    at = bind("where", bind("less", at, 0), bind("add", at, sizes), at)
    inside = bind("logical_and", bind("greater_equal", at, 0), bind("less", at, sizes))
    if not isinstance(inside, Tensor) and not inside.all():
        index, size = (np.broadcast_to(x, inside.shape)[~inside][0] for x in (indices, sizes))
        raise IndexError(f"{name}: index {index} is out of range for an axis of size {size}")
    return bind("where", inside, bind("multiply", at, strides), end)


def resolve_shape(name: str, shape: Any) -> tuple[list[int], Tensor | None]:
    """A shape as an attribute, and the tensor that has its batch.

    The first dimension may be the batch size of a symbolic tensor, as ``ops.shape`` gives it.
    """
    dims = [shape] if isinstance(shape, (int, np.integer)) else list(shape)
    like = batch_of(dims[0]) if dims else None
    if like is not None:
        dims[0] = -1
    for d in dims[like is not None :]:
        if isinstance(d, Tensor) or d is None or int(d) != d or d < 0:
            raise ValueError(
                f"{name}: shape must be whole numbers (or start with a symbolic batch size from "
                f"ops.shape), got {tuple(dims)}"
            )
    return [int(d) for d in dims], like


def fill(name: str, shape: Any, value: float, dtype: str) -> Any:
    """A tensor of equal elements."""
    dims, like = resolve_shape(name, shape)
    if like is None:
        return np.full(dims, value, dtype)
    return bind("broadcast_to", np.asarray(value, dtype), like, shape=dims)


def fill_like(x: Any, value: float, dtype: str | None) -> Any:
    x = operand(x)
    dtype = dtype or dtype_of(x)
    if not isinstance(x, Tensor):
        return np.full(x.shape, value, dtype)
    constant = np.asarray(value, dtype)
    if x.batched:
        return bind("broadcast_to", constant, x, shape=sized(x.shape))
    return as_tensor(np.full(sized(x.shape), value, dtype))
