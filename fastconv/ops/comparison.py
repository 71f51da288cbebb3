"""Questions about numbers, and choices by their answers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastconv.graph import bind, operation
from fastconv.ops.elementwise import (
    absolute,
    divide,
    equal,
    greater,
    less,
    less_equal,
    logical_and,
    logical_not,
    logical_or,
    maximum,
    minimum,
    not_equal,
    subtract,
    where,
)
from fastconv.ops.layout import expand_dims, reshape
from fastconv.ops.operand import as_float, operand
from fastconv.ops.reduction import all, any, sum


@operation
def logical_xor(x1: Any, x2: Any) -> Any:
    """True where one of x1 and x2 is not zero, dtype bool."""
    return not_equal(not_equal(operand(x1), 0), not_equal(operand(x2), 0))


@operation
def isinf(x: Any) -> Any:
    """True where x is infinite; dtype bool."""
    return equal(absolute(as_float(x)), math.inf)


@operation
def isposinf(x: Any) -> Any:
    """True where x is +infinity; dtype bool."""
    return equal(as_float(x), math.inf)


@operation
def isneginf(x: Any) -> Any:
    """True where x is -infinity; dtype bool."""
    return equal(as_float(x), -math.inf)


@operation
def isreal(x: Any) -> Any:
    """True everywhere: there are no complex numbers; dtype bool."""
    x = operand(x)
    return logical_or(equal(x, x), not_equal(x, x))


@operation
def signbit(x: Any) -> Any:
    """True where x is below zero, or -0.0; dtype bool."""
    x = as_float(x)
    return logical_or(less(x, 0.0), logical_and(equal(x, 0.0), less(divide(1.0, x), 0.0)))


@operation
def isclose(
    x1: Any, x2: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Any:
    """True where ``|x1 - x2| <= atol + rtol * |x2|``; dtype bool.

    >>> isclose([1.0, 2.0], [1.000001, 2.1])
    array([ True, False])
    """
    x1, x2 = as_float(x1), as_float(x2)
    finite = logical_and(bind("isfinite", x1), bind("isfinite", x2))
    near = less_equal(absolute(subtract(x1, x2)), atol + rtol * absolute(x2))
    result = logical_or(equal(x1, x2), logical_and(finite, near))
    if equal_nan:
        result = logical_or(result, logical_and(bind("isnan", x1), bind("isnan", x2)))
    return result


def allclose(
    x1: Any, x2: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Any:
    """Whether ``isclose`` holds everywhere; dtype bool."""
    return all(isclose(x1, x2, rtol, atol, equal_nan))


@operation
def fmax(x1: Any, x2: Any) -> Any:
    """The larger of x1 and x2, or the one that is a number."""
    x1, x2 = operand(x1), operand(x2)
    return where(bind("isnan", x1), x2, where(bind("isnan", x2), x1, maximum(x1, x2)))


@operation
def fmin(x1: Any, x2: Any) -> Any:
    """The smaller of x1 and x2, or the one that is a number."""
    x1, x2 = operand(x1), operand(x2)
    return where(bind("isnan", x1), x2, where(bind("isnan", x2), x1, minimum(x1, x2)))


@operation
def heaviside(x1: Any, x2: Any) -> Any:
    """0 below 0, x2 at 0, 1 above."""
    x1, x2 = as_float(x1), as_float(x2)
    return where(equal(x1, 0.0), x2, where(greater(x1, 0.0), 1.0, 0.0))


@operation
def nan_to_num(
    x: Any, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None
) -> Any:
    """x with numbers for NaN (``nan``) and for infinities (the largest float32 if not given)."""
    x = as_float(x)
    largest = float(np.finfo(np.float32).max)
    x = where(bind("isnan", x), float(nan), x)
    x = where(isposinf(x), largest if posinf is None else float(posinf), x)
    return where(isneginf(x), -largest if neginf is None else float(neginf), x)


@operation
def isin(x1: Any, x2: Any, assume_unique: bool = False, invert: bool = False) -> Any:
    """True where an element of x1 is one of those of x2; dtype bool.

    >>> isin([1, 2, 3], [3, 1])
    array([ True, False,  True])
    """
    del assume_unique
    found = any(equal(expand_dims(operand(x1), -1), reshape(x2, -1)), axis=-1)
    return logical_not(found) if invert else found


@operation
def select(condlist: Sequence[Any], choicelist: Sequence[Any], default: Any = 0) -> Any:
    """Of the choices the one of the first condition that holds, else ``default``."""
    if len(condlist) != len(choicelist) or not condlist:
        raise ValueError(
            f"select: needs as many choices as conditions, got {len(choicelist)} and "
            f"{len(condlist)}"
        )
    result = default
    for condition, choice in reversed(list(zip(condlist, choicelist, strict=True))):
        result = where(condition, choice, result)
    return result


@operation
def count_nonzero(x: Any, axis: Any = None) -> Any:
    """How many elements are not zero, int32."""
    flags = bind("cast", not_equal(operand(x), 0), dtype="int32")
    return sum(flags, axis)
