"""Over one axis, several, or all (``axis=None``)."""

from __future__ import annotations

from typing import Any

from fastconv import ops
from fastconv.ops import all, any, logsumexp, max, mean, min, prod, std, sum, var


def argmax(x: Any, axis: int = -1) -> Any:
    """The position of the first largest element along an axis, int32."""
    return ops.argmax(x, axis)


def argmin(x: Any, axis: int = -1) -> Any:
    """The position of the first smallest element along an axis, int32."""
    return ops.argmin(x, axis)


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
