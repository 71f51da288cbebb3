"""Activation functions of fewer users."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.graph import operation
from fastconv.ops.activation import elu, hard_sigmoid, relu, sigmoid, softplus, tanh
from fastconv.ops.cumulative import cumsum
from fastconv.ops.elementwise import absolute, clip, greater, multiply, sqrt, square, where
from fastconv.ops.layout import flip, moveaxis, split
from fastconv.ops.operand import as_float
from fastconv.ops.reduction import sum
from fastconv.ops.sorting import sort


@operation
def hard_silu(x: Any) -> Any:
    """``multiply(x, hard_sigmoid(x))``."""
    x = as_float(x)
    return multiply(x, hard_sigmoid(x))


@operation
def celu(x: Any, alpha: float = 1.0) -> Any:
    """x where x > 0, ``alpha * (exp(x / alpha) - 1)`` elsewhere (Barron, arXiv:1704.07483)."""
    if not alpha:
        raise ValueError("celu: alpha must not be 0")
    x = as_float(x)
    return elu(x * (1.0 / alpha), 1.0) * float(alpha)


@operation
def glu(x: Any, axis: int = -1) -> Any:
    """The first half of an axis times the sigmoid of the second (Dauphin et al., 2016).

    Raises:
        ValueError: if the axis does not divide into halves.
    """
    x = as_float(x)
    first, second = split(x, 2, axis=axis)
    return first * sigmoid(second)


@operation
def log_sigmoid(x: Any) -> Any:
    """``log(sigmoid(x))``, without underflow."""
    x = as_float(x)
    return -softplus(-x)


@operation
def tanh_shrink(x: Any) -> Any:
    """``x - tanh(x)``."""
    x = as_float(x)
    return x - tanh(x)


@operation
def hard_tanh(x: Any) -> Any:
    """x limited to [-1, 1]."""
    x = as_float(x)
    return clip(x, -1.0, 1.0)


@operation
def hard_shrink(x: Any, threshold: float = 0.5) -> Any:
    """x where ``|x| > threshold``, 0 elsewhere."""
    x = as_float(x)
    return where(greater(absolute(x), float(threshold)), x, 0.0)


@operation
def soft_shrink(x: Any, threshold: float = 0.5) -> Any:
    """x moved towards 0 by ``threshold``, and 0 where it would pass it."""
    x = as_float(x)
    return relu(x - float(threshold)) - relu(-x - float(threshold))


@operation
def threshold(x: Any, threshold: float, default_value: float) -> Any:
    """x where ``x > threshold``, ``default_value`` elsewhere."""
    x = as_float(x)
    return where(greater(x, float(threshold)), x, float(default_value))


@operation
def sparse_plus(x: Any) -> Any:
    """0 below -1, x above 1, ``(x + 1)^2 / 4`` between."""
    x = as_float(x)
    between = square(clip(x, -1.0, 1.0) + 1.0) * 0.25
    return between + relu(x - 1.0)


@operation
def sparse_sigmoid(x: Any) -> Any:
    """``(x + 1) / 2`` limited to [0, 1]."""
    x = as_float(x)
    return clip((x + 1.0) * 0.5, 0.0, 1.0)


@operation
def squareplus(x: Any, b: float = 4) -> Any:
    """``(x + sqrt(x^2 + b)) / 2`` (Barron, arXiv:2112.11687)."""
    x = as_float(x)
    return (x + sqrt(square(x) + float(b))) * 0.5


@operation
def sparsemax(x: Any, axis: int = -1) -> Any:
    """The nearest distribution to x, with zeros (Martins and Astudillo, arXiv:1602.02068).

    >>> sparsemax([[2.0, 1.5, -1.0]])
    array([[0.75, 0.25, 0.  ]], dtype=float32)
    """
    x = moveaxis(as_float(x), axis, -1)
    falling = flip(sort(x, -1), -1)
    place = np.arange(1, x.shape[-1] + 1, dtype=np.float32)
    kept = greater(place * falling + 1.0, cumsum(falling, -1))
    count = sum(where(kept, 1.0, 0.0), -1, keepdims=True)
    level = (sum(where(kept, falling, 0.0), -1, keepdims=True) - 1.0) / count
    return moveaxis(relu(x - level), -1, axis)


hard_swish = hard_silu
