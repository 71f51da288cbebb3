"""Trigonometric, hyperbolic and other functions of one or two numbers, element by element."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from fastconv.graph import bind, operation
from fastconv.graph.primitives.common import unbroadcast
from fastconv.ops.comparison import signbit
from fastconv.ops.elementwise import (
    absolute,
    cos,
    divide,
    equal,
    exp,
    expm1,
    floor,
    log,
    log1p,
    logical_or,
    maximum,
    minimum,
    multiply,
    power,
    rsqrt,
    sign,
    sin,
    sqrt,
    square,
    subtract,
    where,
)
from fastconv.ops.host import host, with_gradient
from fastconv.ops.operand import as_float, operand

_LN2 = math.log(2.0)
_FAR = 1e10  # x^2 + 1 is x^2 from here on, and may overflow


def _with_partials(y: Any, x1: Any, x2: Any, partials: Callable[[Any], list[Any]]) -> Any:
    """``with_gradient`` of operands that were broadcast against each other."""

    def gradient(dy: Any) -> list[Any]:
        return [unbroadcast(d, x) for d, x in zip(partials(dy), (x1, x2), strict=True)]

    return with_gradient(y, [x1, x2], gradient)


@operation
def tan(x: Any) -> Any:
    """The tangent of x in radians."""
    return divide(sin(x), cos(x))


@operation
def arctan(x: Any) -> Any:
    """The angle in (-pi/2, pi/2) whose tangent is x.

    Arguments above tan(pi/8) are first turned by pi/4 or pi/2 (Cephes, S. Moshier, 1989).

    >>> round(float(arctan(1.0)), 4)
    0.7854
    """
    x = as_float(x)
    size = absolute(x)
    far, middle = size > 2.414213562373095, size > 0.4142135623730951
    turned = where(middle, divide(size - 1.0, size + 1.0), size)
    turned = where(far, divide(-1.0, maximum(size, 1.0)), turned)
    start = where(far, math.pi / 2, where(middle, math.pi / 4, 0.0))
    z = square(turned)
    tail = ((8.05374449538e-2 * z - 1.38776856032e-1) * z + 1.99777106478e-1) * z
    y = multiply(sign(x), start + turned + turned * z * (tail - 3.33329491539e-1))
    return with_gradient(where(bind("isnan", x), x, y), [x], lambda dy: dy / (square(x) + 1.0))


@operation
def arctan2(x1: Any, x2: Any) -> Any:
    """The angle of the point (x2, x1) in [-pi, pi], by the signs of zeros too.

    >>> round(float(arctan2(1.0, -1.0)), 4)
    2.3562
    """
    y, x = as_float(x1), as_float(x2)
    height, width = absolute(y), absolute(x)
    same = equal(height, width)  # also 0 / 0 and inf / inf
    angle = arctan(where(same, sign(height), divide(height, width)))
    angle = where(signbit(x), math.pi - angle, angle)
    angle = where(signbit(y), -angle, angle)

    def partials(dy: Any) -> list[Any]:
        far = hypot(x, y)
        dy = divide_no_nan(dy, far)
        return [dy * divide_no_nan(x, far), -dy * divide_no_nan(y, far)]

    return _with_partials(angle, y, x, partials)


@operation
def arcsin(x: Any) -> Any:
    """The angle in [-pi/2, pi/2] whose sine is x; NaN outside of [-1, 1]."""
    x = as_float(x)
    root = sqrt((1.0 - x) * (1.0 + x))
    return with_gradient(arctan2(x, root), [x], lambda dy: dy / root)


@operation
def arccos(x: Any) -> Any:
    """The angle in [0, pi] whose cosine is x; NaN outside of [-1, 1]."""
    x = as_float(x)
    root = sqrt((1.0 - x) * (1.0 + x))
    return with_gradient(arctan2(root, x), [x], lambda dy: -dy / root)


@operation
def sinh(x: Any) -> Any:
    """The hyperbolic sine."""
    x = as_float(x)
    half = 0.5 * x
    y = 0.5 * subtract(expm1(half), expm1(-half)) * (exp(half) + exp(-half))
    return with_gradient(y, [x], lambda dy: dy * cosh(x))


@operation
def cosh(x: Any) -> Any:
    """The hyperbolic cosine."""
    x = as_float(x)
    up, down = exp(0.5 * x), exp(-0.5 * x)
    y = 0.5 * up * up + 0.5 * down * down
    return with_gradient(y, [x], lambda dy: dy * sinh(x))


@operation
def arcsinh(x: Any) -> Any:
    """The inverse of sinh."""
    x = as_float(x)
    size = absolute(x)
    near = minimum(size, _FAR)
    y = log1p(near + square(near) / (1.0 + sqrt(square(near) + 1.0)))
    y = sign(x) * where(size > _FAR, log(maximum(size, _FAR)) + _LN2, y)
    return with_gradient(y, [x], lambda dy: dy * rsqrt(square(x) + 1.0))


@operation
def arccosh(x: Any) -> Any:
    """The inverse of cosh, from 0; NaN below 1."""
    x = as_float(x)
    t = minimum(x, _FAR) - 1.0
    y = log1p(t + sqrt(t) * sqrt(t + 2.0))
    y = where(x > _FAR, log(maximum(x, _FAR)) + _LN2, y)
    return with_gradient(y, [x], lambda dy: dy * rsqrt(x - 1.0) * rsqrt(x + 1.0))


@operation
def arctanh(x: Any) -> Any:
    """The inverse of tanh; NaN outside of [-1, 1]."""
    x = as_float(x)
    return 0.5 * (log1p(x) - log1p(-x))


@operation
def log2(x: Any) -> Any:
    """The logarithm to base 2."""
    return log(x) * (1.0 / _LN2)


@operation
def log10(x: Any) -> Any:
    """The logarithm to base 10."""
    return log(x) * (1.0 / math.log(10.0))


@operation
def exp2(x: Any) -> Any:
    """2 to the power x."""
    return power(2.0, as_float(x))


@operation
def logaddexp(x1: Any, x2: Any) -> Any:
    """log(exp(x1) + exp(x2)), without overflow."""
    x1, x2 = as_float(x1), as_float(x2)
    top, gap = maximum(x1, x2), subtract(x1, x2)
    y = where(bind("isnan", gap), top, top + log1p(exp(-absolute(gap))))  # equal infinities
    return _with_partials(
        y, x1, x2, lambda dy: [dy * bind("sigmoid", gap), dy * bind("sigmoid", -gap)]
    )


@operation
def logaddexp2(x1: Any, x2: Any) -> Any:
    """log2(2^x1 + 2^x2), without overflow."""
    return logaddexp(as_float(x1) * _LN2, as_float(x2) * _LN2) * (1.0 / _LN2)


@operation
def cbrt(x: Any) -> Any:
    """The cube root."""
    x = as_float(x)
    y = sign(x) * power(absolute(x), 1.0 / 3.0)
    return with_gradient(y, [x], lambda dy: dy / (3.0 * square(y)))


@operation
def hypot(x1: Any, x2: Any) -> Any:
    """sqrt(x1^2 + x2^2), without overflow; infinite also beside NaN."""
    x1, x2 = as_float(x1), as_float(x2)
    a, b = absolute(x1), absolute(x2)
    large = maximum(a, b)
    small = minimum(a, b)
    y = large * sqrt(1.0 + square(divide_no_nan(small, large)))
    y = where(logical_or(equal(a, math.inf), equal(b, math.inf)), math.inf, y)
    return _with_partials(
        y, x1, x2, lambda dy: [dy * divide_no_nan(x1, y), dy * divide_no_nan(x2, y)]
    )


@operation
def sinc(x: Any) -> Any:
    """sin(pi x) / (pi x), and 1 at 0."""
    at = as_float(x) * math.pi
    zero = bind("equal", at, 0.0)
    return where(zero, 1.0, sin(at) / where(zero, 1.0, at))


@operation
def erfc(x: Any) -> Any:
    """1 - erf(x)."""
    return 1.0 - bind("erf", as_float(x))


@operation
def erfinv(x: Any) -> Any:
    """The inverse of the error function on (-1, 1) (Giles, 2012)."""
    x = as_float(x)
    w = -log((1.0 - x) * (1.0 + x))
    near, far = w - 2.5, sqrt(maximum(w, 5.0)) - 3.0
    p: Any = 2.81022636e-08
    for c in (3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087, -0.00125372503,
              -0.00417768164, 0.246640727, 1.50140941):  # fmt: skip
        p = near * p + c
    q: Any = -0.000200214257
    for c in (0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773, -0.0076224613,
              0.00943887047, 1.00167406, 2.83297682):  # fmt: skip
        q = far * q + c
    y = where(w < 5.0, p, q) * x
    y = where(bind("equal", absolute(x), 1.0), sign(x) * math.inf, y)
    half = math.sqrt(math.pi) / 2.0
    return with_gradient(y, [x], lambda dy: dy * half * exp(square(y)))


@operation
def deg2rad(x: Any) -> Any:
    """Degrees as radians."""
    return as_float(x) * (math.pi / 180.0)


@operation
def rad2deg(x: Any) -> Any:
    """Radians as degrees."""
    return as_float(x) * (180.0 / math.pi)


@operation
def trunc(x: Any) -> Any:
    """The whole part of x."""
    x = operand(x)
    return sign(x) * floor(absolute(x))


@operation
def fmod(x1: Any, x2: Any) -> Any:
    """The remainder of x1 / x2 with the sign of x1."""
    x1, x2 = operand(x1), operand(x2)
    a, b, signs = absolute(x1), absolute(x2), sign(x1) * sign(x2)
    y = sign(x1) * bind("mod", a, b)
    return _with_partials(y, x1, x2, lambda dy: [dy, -dy * signs * bind("floor_divide", a, b)])


@operation
def divide_no_nan(x1: Any, x2: Any) -> Any:
    """x1 / x2, and 0 where x2 is 0."""
    x1, x2 = as_float(x1), as_float(x2)
    zero = bind("equal", x2, 0.0)
    return where(zero, 0.0, divide(x1, where(zero, 1.0, x2)))


@operation
def ldexp(x1: Any, x2: Any) -> Any:
    """x1 * 2^x2."""
    return multiply(as_float(x1), exp2(x2))


@operation
def i0(x: Any) -> Any:
    """The modified Bessel function of the first kind, of order 0."""
    x = as_float(x)
    (y,) = host([x.shape], ["float32"], "i0", np.i0, x)
    return y


@operation
def nextafter(x1: Any, x2: Any) -> Any:
    """The float32 that follows x1 in the direction of x2."""
    return _on_host("nextafter", np.nextafter, as_float(x1), as_float(x2), "float32")


def _on_host(name: str, f: Any, x1: Any, x2: Any, dtype: str) -> Any:
    from fastconv.graph.primitives.common import broadcast_shapes

    (y,) = host([broadcast_shapes(name, x1.shape, x2.shape)], [dtype], name, f, x1, x2)
    return y


def _integers(name: str, x: Any) -> Any:
    x = operand(x)
    if str(x.dtype).startswith("float"):
        raise TypeError(f"{name}: needs integers, got {x.dtype}")
    return x if str(x.dtype) != "int64" else bind("cast", x, dtype="int32")


def _of_integers(name: str, f: Any, x1: Any, x2: Any) -> Any:
    a, b = _integers(name, x1), _integers(name, x2)
    dtype = str(a.dtype) if str(a.dtype) == str(b.dtype) else "int32"
    if dtype == "bool" and not name.startswith("bitwise"):  # of two booleans a number
        dtype = "int32"
    return _on_host(name, f, a, b, dtype)


@operation
def bitwise_and(x: Any, y: Any) -> Any:
    """The bits that are set in both integers."""
    return _of_integers("bitwise_and", np.bitwise_and, x, y)


@operation
def bitwise_or(x: Any, y: Any) -> Any:
    """The bits that are set in either integer."""
    return _of_integers("bitwise_or", np.bitwise_or, x, y)


@operation
def bitwise_xor(x: Any, y: Any) -> Any:
    """The bits that are set in one of the integers."""
    return _of_integers("bitwise_xor", np.bitwise_xor, x, y)


@operation
def bitwise_not(x: Any) -> Any:
    """The bits that are not set."""
    x = _integers("bitwise_not", x)
    (y,) = host([x.shape], [str(x.dtype)], "bitwise_not", np.bitwise_not, x)
    return y


@operation
def left_shift(x: Any, y: Any) -> Any:
    """Integers with their bits moved up by y."""
    return _of_integers("left_shift", np.left_shift, x, y)


@operation
def right_shift(x: Any, y: Any) -> Any:
    """Integers with their bits moved down by y."""
    return _of_integers("right_shift", np.right_shift, x, y)


@operation
def gcd(x1: Any, x2: Any) -> Any:
    """The greatest common divisor of integers."""
    return _of_integers("gcd", np.gcd, x1, x2)


@operation
def lcm(x1: Any, x2: Any) -> Any:
    """The least common multiple of integers."""
    return _of_integers("lcm", np.lcm, x1, x2)


bitwise_invert = bitwise_not
bitwise_left_shift = left_shift
bitwise_right_shift = right_shift
