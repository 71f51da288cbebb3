"""Arithmetic, element by element, with NumPy's broadcasting.

Each function takes arrays, numbers, variables and symbolic tensors, and raises ``ValueError`` on
shapes that do not broadcast together.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.graph import Tensor, bind, operation
from fastconv.ops.host import positions
from fastconv.ops.operand import as_float, dtype_name, operand


@operation
def negative(x: Any) -> Any:
    """-x."""
    return bind("negative", operand(x))


@operation
def absolute(x: Any) -> Any:
    """The magnitude of x."""
    return bind("absolute", operand(x))


@operation
def fabs(x: Any) -> Any:
    """The magnitude of x, as a float also of integers."""
    return absolute(as_float(x))


@operation
def exp(x: Any) -> Any:
    """e to the power x."""
    return bind("exp", operand(x))


@operation
def expm1(x: Any) -> Any:
    """exp(x) - 1, exact also near 0."""
    return bind("expm1", operand(x))


@operation
def log(x: Any) -> Any:
    """The natural logarithm."""
    return bind("log", operand(x))


@operation
def log1p(x: Any) -> Any:
    """log(1 + x), exact also near 0."""
    return bind("log1p", operand(x))


@operation
def sqrt(x: Any) -> Any:
    """The square root."""
    return bind("sqrt", operand(x))


@operation
def rsqrt(x: Any) -> Any:
    """1 / sqrt(x)."""
    return bind("rsqrt", operand(x))


@operation
def square(x: Any) -> Any:
    """x * x."""
    return bind("square", operand(x))


@operation
def reciprocal(x: Any) -> Any:
    """1 / x."""
    return bind("reciprocal", operand(x))


@operation
def sign(x: Any) -> Any:
    """-1, 0 or 1."""
    return bind("sign", operand(x))


@operation
def floor(x: Any) -> Any:
    """The largest whole number not above x."""
    return bind("floor", operand(x))


@operation
def ceil(x: Any) -> Any:
    """The smallest whole number not below x."""
    return bind("ceil", operand(x))


@operation
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


@operation
def sin(x: Any) -> Any:
    """The sine of x in radians."""
    return bind("sin", operand(x))


@operation
def cos(x: Any) -> Any:
    """The cosine of x in radians."""
    return bind("cos", operand(x))


@operation
def erf(x: Any) -> Any:
    """The error function."""
    return bind("erf", operand(x))


@operation
def isnan(x: Any) -> Any:
    """True where x is not a number; dtype bool."""
    return bind("isnan", operand(x))


@operation
def isfinite(x: Any) -> Any:
    """True where x is neither infinite nor NaN; dtype bool."""
    return bind("isfinite", operand(x))


@operation
def logical_not(x: Any) -> Any:
    """True where x is zero; dtype bool."""
    return bind("logical_not", operand(x))


@operation
def stop_gradient(variable: Any) -> Any:
    """The same values, through which no gradient flows."""
    return bind("stop_gradient", operand(variable))


@operation
def add(x1: Any, x2: Any) -> Any:
    """x1 + x2.

    >>> add([1.0, 2.0], 3.0)
    array([4., 5.], dtype=float32)
    """
    return bind("add", x1, x2)


@operation
def subtract(x1: Any, x2: Any) -> Any:
    """x1 - x2."""
    return bind("subtract", x1, x2)


@operation
def multiply(x1: Any, x2: Any) -> Any:
    """x1 * x2."""
    return bind("multiply", x1, x2)


@operation
def divide(x1: Any, x2: Any) -> Any:
    """x1 / x2, always a float."""
    return bind("divide", x1, x2)


@operation
def power(x1: Any, x2: Any) -> Any:
    """x1 to the power x2."""
    return bind("power", x1, x2)


@operation
def maximum(x1: Any, x2: Any) -> Any:
    """The larger of x1 and x2."""
    return bind("maximum", x1, x2)


@operation
def minimum(x1: Any, x2: Any) -> Any:
    """The smaller of x1 and x2."""
    return bind("minimum", x1, x2)


@operation
def floor_divide(x1: Any, x2: Any) -> Any:
    """floor(x1 / x2)."""
    return bind("floor_divide", x1, x2)


@operation
def mod(x1: Any, x2: Any) -> Any:
    """x1 - x2 * floor(x1 / x2)."""
    return bind("mod", x1, x2)


@operation
def equal(x1: Any, x2: Any) -> Any:
    """x1 == x2, dtype bool."""
    return bind("equal", x1, x2)


@operation
def not_equal(x1: Any, x2: Any) -> Any:
    """x1 != x2, dtype bool."""
    return bind("not_equal", x1, x2)


@operation
def less(x1: Any, x2: Any) -> Any:
    """x1 < x2, dtype bool."""
    return bind("less", x1, x2)


@operation
def less_equal(x1: Any, x2: Any) -> Any:
    """x1 <= x2, dtype bool."""
    return bind("less_equal", x1, x2)


@operation
def greater(x1: Any, x2: Any) -> Any:
    """x1 > x2, dtype bool."""
    return bind("greater", x1, x2)


@operation
def greater_equal(x1: Any, x2: Any) -> Any:
    """x1 >= x2, dtype bool."""
    return bind("greater_equal", x1, x2)


@operation
def logical_and(x1: Any, x2: Any) -> Any:
    """x1 and x2, dtype bool."""
    return bind("logical_and", x1, x2)


@operation
def logical_or(x1: Any, x2: Any) -> Any:
    """x1 or x2, dtype bool."""
    return bind("logical_or", x1, x2)


@operation
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


@operation
def clip(x: Any, x_min: Any, x_max: Any) -> Any:
    """x limited to [x_min, x_max].

    >>> clip([-2.0, 0.5, 2.0], 0.0, 1.0)
    array([0. , 0.5, 1. ], dtype=float32)
    """
    return minimum(maximum(operand(x), x_min), x_max)


@operation
def cast(x: Any, dtype: Any) -> Any:
    """x as another dtype: "float32", "int32" (towards zero), "bool" or "uint8"."""
    return bind("cast", operand(x), dtype=dtype_name(dtype))


true_divide = divide
abs = absolute
