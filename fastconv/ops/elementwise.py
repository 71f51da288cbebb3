"""Arithmetic, element by element, with NumPy's broadcasting.

Each function takes arrays, numbers, variables and symbolic tensors, and raises ``ValueError`` on
shapes that do not broadcast together.
"""

from __future__ import annotations

from typing import Any

from fastconv.graph import bind
from fastconv.ops.operand import operand


def negative(x: Any) -> Any:
    """-x."""
    return bind("negative", operand(x))


def absolute(x: Any) -> Any:
    """The magnitude of x."""
    return bind("absolute", operand(x))


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


def round(x: Any) -> Any:
    """The nearest whole number; halves go to the even one."""
    return bind("round", operand(x))


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


def stop_gradient(x: Any) -> Any:
    """x, through which no gradient flows."""
    return bind("stop_gradient", operand(x))


def add(a: Any, b: Any) -> Any:
    """a + b.

    >>> add([1.0, 2.0], 3.0)
    array([4., 5.], dtype=float32)
    """
    return bind("add", a, b)


def subtract(a: Any, b: Any) -> Any:
    """a - b."""
    return bind("subtract", a, b)


def multiply(a: Any, b: Any) -> Any:
    """a * b."""
    return bind("multiply", a, b)


def divide(a: Any, b: Any) -> Any:
    """a / b, always a float."""
    return bind("divide", a, b)


def power(a: Any, b: Any) -> Any:
    """a to the power b."""
    return bind("power", a, b)


def maximum(a: Any, b: Any) -> Any:
    """The larger of a and b."""
    return bind("maximum", a, b)


def minimum(a: Any, b: Any) -> Any:
    """The smaller of a and b."""
    return bind("minimum", a, b)


def floor_divide(a: Any, b: Any) -> Any:
    """floor(a / b)."""
    return bind("floor_divide", a, b)


def mod(a: Any, b: Any) -> Any:
    """a - b * floor(a / b)."""
    return bind("mod", a, b)


def equal(a: Any, b: Any) -> Any:
    """a == b, dtype bool."""
    return bind("equal", a, b)


def not_equal(a: Any, b: Any) -> Any:
    """a != b, dtype bool."""
    return bind("not_equal", a, b)


def less(a: Any, b: Any) -> Any:
    """a < b, dtype bool."""
    return bind("less", a, b)


def less_equal(a: Any, b: Any) -> Any:
    """a <= b, dtype bool."""
    return bind("less_equal", a, b)


def greater(a: Any, b: Any) -> Any:
    """a > b, dtype bool."""
    return bind("greater", a, b)


def greater_equal(a: Any, b: Any) -> Any:
    """a >= b, dtype bool."""
    return bind("greater_equal", a, b)


def logical_and(a: Any, b: Any) -> Any:
    """a and b, dtype bool."""
    return bind("logical_and", a, b)


def logical_or(a: Any, b: Any) -> Any:
    """a or b, dtype bool."""
    return bind("logical_or", a, b)


def where(condition: Any, a: Any, b: Any) -> Any:
    """a where the condition holds, else b.

    >>> where([True, False], 1.0, [5.0, 6.0])
    array([1., 6.], dtype=float32)
    """
    return bind("where", operand(condition), a, b)


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
