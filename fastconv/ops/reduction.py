"""Reductions over one axis, several, or all (``axis=None``)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastconv.graph import bind, operation
from fastconv.ops.elementwise import square, subtract
from fastconv.ops.operand import normalize_axes, normalize_axis, operand

Axis = int | Sequence[int] | None


def _reduce(name: str, x: Any, axis: Axis, keepdims: bool) -> Any:
    x = operand(x)
    return bind(name, x, axes=normalize_axes(name, axis, x.ndim), keepdims=int(keepdims))


@operation
def sum(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """The sum.

    >>> sum([[1.0, 2.0], [3.0, 4.0]], axis=0)
    array([4., 6.], dtype=float32)
    """
    return _reduce("sum", x, axis, keepdims)


@operation
def mean(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """The mean; over the batch axis, of the rows that are there.

    >>> float(mean([1.0, 2.0, 6.0]))
    3.0
    """
    return _reduce("mean", x, axis, keepdims)


@operation
def max(x: Any, axis: Axis = None, keepdims: bool = False, initial: float | None = None) -> Any:
    """The largest element, at least ``initial``; equal ones share the gradient."""
    y = _reduce("max", x, axis, keepdims)
    return y if initial is None else bind("maximum", y, initial)


@operation
def min(x: Any, axis: Axis = None, keepdims: bool = False, initial: float | None = None) -> Any:
    """The smallest element, at most ``initial``; equal ones share the gradient."""
    y = _reduce("min", x, axis, keepdims)
    return y if initial is None else bind("minimum", y, initial)


@operation
def prod(x: Any, axis: Axis = None, keepdims: bool = False, dtype: str | None = None) -> Any:
    """The product."""
    x = operand(x) if dtype is None else bind("cast", operand(x), dtype=dtype)
    return _reduce("prod", x, axis, keepdims)


@operation
def var(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """The variance, divided by n (biased).

    >>> float(var([1.0, 3.0]))
    1.0
    """
    x = operand(x)
    return mean(square(subtract(x, mean(x, axis, keepdims=True))), axis, keepdims)


@operation
def std(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """The standard deviation: the root of ``var``."""
    return bind("sqrt", var(x, axis, keepdims))


@operation
def moments(x: Any, axes: Axis, keepdims: bool = False) -> tuple[Any, Any]:
    """Mean and (biased) variance over the axes."""
    return mean(x, axes, keepdims), var(x, axes, keepdims)


@operation
def any(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Whether an element is not zero; dtype bool."""
    flags = bind("cast", bind("not_equal", operand(x), 0), dtype="float32")
    return bind("greater", max(flags, axis, keepdims), 0.0)


@operation
def all(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Whether no element is zero; dtype bool."""
    flags = bind("cast", bind("not_equal", operand(x), 0), dtype="float32")
    return bind("greater", min(flags, axis, keepdims), 0.0)


def _arg(name: str, x: Any, axis: int | None, keepdims: bool) -> Any:
    x = operand(x)
    shape = x.shape
    if axis is None:
        if shape[:1] == (None,):
            raise ValueError(f"{name}: a symbolic tensor needs an axis")
        x, axis = bind("reshape", x, shape=[_size(shape)]), 0
        kept = [1] * len(shape)
    else:
        axis = normalize_axis(name, axis, x.ndim)
        kept = [-1 if d is None else d for d in shape]
        kept[axis] = 1
    result = bind(name, x, axis=axis)
    return bind("reshape", result, shape=kept) if keepdims else result


def _size(shape: Sequence[int]) -> int:
    n = 1
    for d in shape:
        n *= d
    return n


@operation
def argmax(x: Any, axis: int | None = None, keepdims: bool = False) -> Any:
    """The position of the first largest element along an axis (None: of all), int32.

    >>> argmax([[1.0, 5.0, 5.0]], axis=1)
    array([1], dtype=int32)
    """
    return _arg("argmax", x, axis, keepdims)


@operation
def argmin(x: Any, axis: int | None = None, keepdims: bool = False) -> Any:
    """The position of the first smallest element along an axis (None: of all), int32."""
    return _arg("argmin", x, axis, keepdims)
