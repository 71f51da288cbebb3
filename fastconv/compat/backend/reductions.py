"""Over one axis, several, or all (``axis=None``)."""

from __future__ import annotations

from typing import Any

from fastconv import ops
from fastconv.ops import all, any, max, mean, min, prod, std, sum, var


def argmax(x: Any, axis: int = -1) -> Any:
    """The position of the first largest element along an axis, int32."""
    return ops.argmax(x, axis)


def argmin(x: Any, axis: int = -1) -> Any:
    """The position of the first smallest element along an axis, int32."""
    return ops.argmin(x, axis)


def logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """``log(sum(exp(x)))``, from the largest element on so that nothing overflows.

    >>> float(logsumexp([1000.0, 1000.0]))
    1000.6931...
    """
    top = ops.stop_gradient(ops.max(x, axis, keepdims=True))
    total = ops.log(ops.sum(ops.exp(ops.subtract(x, top)), axis, keepdims=True)) + top
    return total if keepdims else ops.sum(total, axis)


__all__ = [
    "all",
    "any",
    "argmax",
    "argmin",
    "logsumexp",
    "max",
    "mean",
    "min",
    "prod",
    "std",
    "sum",
    "var",
]
