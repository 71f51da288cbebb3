"""Arithmetic, element by element, with NumPy's broadcasting.

Each function takes arrays, numbers, variables and symbolic tensors, and raises ``ValueError`` on
shapes that do not broadcast together.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.graph import Tensor, bind
from fastconv.ops.host import positions
from fastconv.ops.operand import as_float, operand


def negative(x: Any) -> Any:
    """-x."""
    return bind("negative", operand(x))


def absolute(x: Any) -> Any:
    """The magnitude of x."""
    return bind("absolute", operand(x))


def fabs(x: Any) -> Any:
    """The magnitude of x, as a float also of integers."""
    return absolute(as_float(x))


def exp(x: Any) -> Any:
    """e to the power x."""
    return bind("exp", operand(x))


def expm1(x: Any) -> Any:
    """exp(x) - 1, exact also near 0."""
    return bind("expm1", operand(x))


def log(x: Any) -> Any:
    """The natural logarithm."""
    return bind("log", operand(x))


def log1p(x: Any) -> Any:
    """log(1 + x), exact also near 0."""
    return bind("log1p", operand(x))


def sqrt(x: Any) -> Any:
    """The square root."""
    return bind("sqrt", operand(x))


def rsqrt(x: Any) -> Any:
    """1 / sqrt(x)."""
    return bind("rsqrt", operand(x))


def square(x: Any) -> Any:
    """x * x."""
    return bind("square", operand(x))


def reciprocal(x: Any) -> Any:
    """1 / x."""
    return bind("reciprocal", operand(x))


def sign(x: Any) -> Any:
    """-1, 0 or 1."""
    return bind("sign", operand(x))


def floor(x: Any) -> Any:
    """The largest whole number not above x."""
    return bind("floor", operand(x))


def ceil(x: Any) -> Any:
    """The smallest whole number not below x."""
    return bind("ceil", operand(x))


def round(x: Any, decimals: int = 0) -> Any:
    """The nearest number with so many decimals; halves go to the even digit.

    >>> round([0.5, 1.26], 1)
    array([0.5, 1.3], dtype=float32)
    """
    if not decimals:
        return bind("round", operand(x))
    if not -38 < decimals < 38:
        raise ValueError(f"round: float32 has no power of ten for {decimals} decimals")
    scale = 10.0**decimals
    return divide(bind("round", multiply(operand(x), scale)), scale)


def sin(x: Any) -> Any:
    """The sine of x in radians."""
    return bind("sin", operand(x))


def cos(x: Any) -> Any:
    """The cosine of x in radians."""
    return bind("cos", operand(x))


def erf(x: Any) -> Any:
    """The error function."""
    return bind("erf", operand(x))


def isnan(x: Any) -> Any:
    """True where x is not a number; dtype bool."""
    return bind("isnan", operand(x))


def isfinite(x: Any) -> Any:
    """True where x is neither infinite nor NaN; dtype bool."""
    return bind("isfinite", operand(x))


def logical_not(x: Any) -> Any:
    """True where x is zero; dtype bool."""
    return bind("logical_not", operand(x))


def stop_gradient(variable: Any) -> Any:
    """The same values, through which no gradient flows."""
    return bind("stop_gradient", operand(variable))


def add(x1: Any, x2: Any) -> Any:
    """x1 + x2.

    >>> add([1.0, 2.0], 3.0)
    array([4., 5.], dtype=float32)
    """
    return bind("add", x1, x2)


def subtract(x1: Any, x2: Any) -> Any:
    """x1 - x2."""
    return bind("subtract", x1, x2)


def multiply(x1: Any, x2: Any) -> Any:
    """x1 * x2."""
    return bind("multiply", x1, x2)


def divide(x1: Any, x2: Any) -> Any:
    """x1 / x2, always a float."""
    return bind("divide", x1, x2)


def power(x1: Any, x2: Any) -> Any:
    """x1 to the power x2."""
    return bind("power", x1, x2)


def maximum(x1: Any, x2: Any) -> Any:
    """The larger of x1 and x2."""
    return bind("maximum", x1, x2)


def minimum(x1: Any, x2: Any) -> Any:
    """The smaller of x1 and x2."""
    return bind("minimum", x1, x2)


def floor_divide(x1: Any, x2: Any) -> Any:
    """floor(x1 / x2)."""
    return bind("floor_divide", x1, x2)


def mod(x1: Any, x2: Any) -> Any:
    """x1 - x2 * floor(x1 / x2)."""
    return bind("mod", x1, x2)


def equal(x1: Any, x2: Any) -> Any:
    """x1 == x2, dtype bool."""
    return bind("equal", x1, x2)


def not_equal(x1: Any, x2: Any) -> Any:
    """x1 != x2, dtype bool."""
    return bind("not_equal", x1, x2)


def less(x1: Any, x2: Any) -> Any:
    """x1 < x2, dtype bool."""
    return bind("less", x1, x2)


def less_equal(x1: Any, x2: Any) -> Any:
    """x1 <= x2, dtype bool."""
    return bind("less_equal", x1, x2)


def greater(x1: Any, x2: Any) -> Any:
    """x1 > x2, dtype bool."""
    return bind("greater", x1, x2)


def greater_equal(x1: Any, x2: Any) -> Any:
    """x1 >= x2, dtype bool."""
    return bind("greater_equal", x1, x2)


def logical_and(x1: Any, x2: Any) -> Any:
    """x1 and x2, dtype bool."""
    return bind("logical_and", x1, x2)


def logical_or(x1: Any, x2: Any) -> Any:
    """x1 or x2, dtype bool."""
    return bind("logical_or", x1, x2)


def where(condition: Any, x1: Any = None, x2: Any = None) -> Any:
    """x1 where the condition holds, else x2; of the condition alone, the places where it holds.

    >>> where([True, False], 1.0, [5.0, 6.0])
    array([1., 6.], dtype=float32)
    """
    if x1 is None and x2 is None and not isinstance(operand(condition), Tensor):
        return tuple(positions("where", i) for i in np.nonzero(operand(condition)))
    if x1 is None or x2 is None:
        raise ValueError("where: needs x1 and x2, both")
    return bind("where", operand(condition), x1, x2)


def clip(x: Any, x_min: Any, x_max: Any) -> Any:
    """x limited to [x_min, x_max].

    >>> clip([-2.0, 0.5, 2.0], 0.0, 1.0)
    array([0. , 0.5, 1. ], dtype=float32)
    """
    return minimum(maximum(operand(x), x_min), x_max)


def cast(x: Any, dtype: str) -> Any:
    """x as another dtype: "float32", "int32" (towards zero), "bool" or "uint8"."""
    return bind("cast", operand(x), dtype=str(dtype))


true_divide = divide
abs = absolute
