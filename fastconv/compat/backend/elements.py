"""Element by element."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv import ops
from fastconv.graph.tensor import Array
from fastconv.ops import (
    abs,
    cast,
    clip,
    cos,
    equal,
    exp,
    greater,
    greater_equal,
    less,
    less_equal,
    log,
    maximum,
    minimum,
    not_equal,
    round,
    sigmoid,
    sign,
    sin,
    softplus,
    softsign,
    sqrt,
    square,
    stop_gradient,
    tanh,
)


def pow(x: Any, a: float) -> Any:
    """``x`` to the power of ``a``."""
    return ops.power(x, a)


def cast_to_floatx(x: Any) -> Array:
    """An array of float32.

    >>> cast_to_floatx([1, 2]).dtype
    dtype('float32')
    """
    return np.asarray(x, np.float32)


def switch(condition: Any, then_expression: Any, else_expression: Any) -> Any:
    """The elements of one where a condition holds, else of the other. Functions are called first.

    >>> switch(np.array([True, False]), 1.0, 2.0)
    array([1., 2.], dtype=float32)
    """
    then = then_expression() if callable(then_expression) else then_expression
    other = else_expression() if callable(else_expression) else else_expression
    missing = getattr(then, "ndim", 0) - getattr(condition, "ndim", 0)
    for _ in range(missing if getattr(condition, "ndim", 0) else 0):
        condition = ops.expand_dims(condition, -1)
    return ops.where(condition, then, other)


__all__ = [
    "abs",
    "cast",
    "cast_to_floatx",
    "clip",
    "cos",
    "equal",
    "exp",
    "greater",
    "greater_equal",
    "less",
    "less_equal",
    "log",
    "maximum",
    "minimum",
    "not_equal",
    "pow",
    "round",
    "sigmoid",
    "sign",
    "sin",
    "softplus",
    "softsign",
    "sqrt",
    "square",
    "stop_gradient",
    "switch",
    "tanh",
]
