"""Pointwise primitives in NumPy."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from fastconv.graph.tensor import Array
from fastconv.reference.bfloat16 import round_to_bfloat16


def as_float(x: Array) -> Any:
    return x if x.dtype.kind == "f" else x.astype(np.float32)


def numbers(*xs: Array) -> list[Any]:
    """Operands in their common dtype: a float wins, small integers compute as int32."""
    floats = [x.dtype for x in xs if x.dtype.kind == "f"]
    if floats:
        dtype = max(floats, key=lambda d: d.itemsize)
    else:
        dtype = np.result_type(np.int32, *(x.dtype for x in xs))
    return [x.astype(dtype, copy=False) for x in xs]


def _of_float(f: Callable[[Any], Any]) -> Callable[..., Any]:
    return lambda x: f(as_float(x))


def _of_numbers(f: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *xs: f(*numbers(*xs))


def _sigmoid(x: Any) -> Any:
    with np.errstate(over="ignore"):
        return x.dtype.type(1) / (x.dtype.type(1) + np.exp(-x))


def _softplus(x: Any) -> Any:
    return np.maximum(x, x.dtype.type(0)) + np.log1p(np.exp(-np.abs(x)))


def _erf(x: Any) -> Any:
    return np.asarray(np.frompyfunc(math.erf, 1, 1)(x.astype(np.float64)), x.dtype)


def _leaky_relu(x: Array, *, negative_slope: float) -> Any:
    x = as_float(x)
    return np.where(x > 0, x, x * x.dtype.type(negative_slope))


def _elu(x: Array, *, alpha: float) -> Any:
    x = as_float(x)
    return np.where(x > 0, x, x.dtype.type(alpha) * np.expm1(np.minimum(x, x.dtype.type(0))))


def _leaky_relu_grad(dy: Array, y: Array, *, negative_slope: float) -> Any:
    return np.where(y > 0, dy, dy * dy.dtype.type(negative_slope))


def _elu_grad(dy: Array, y: Array, *, alpha: float) -> Any:
    return np.where(y > 0, dy, dy * (y + y.dtype.type(alpha)))


def _where(condition: Array, a: Array, b: Array) -> Any:
    if a.dtype != b.dtype:
        a, b = numbers(a, b)
    return np.where(condition, a, b)


_INT32 = np.iinfo(np.int32)


def cast(x: Array, *, dtype: str) -> Any:
    """Floats are truncated; what is beyond int32 becomes its limits, so that it does not turn into
    something small, and NaN the lower one."""
    if dtype == "bfloat16":
        return round_to_bfloat16(as_float(x))
    if dtype in ("int32", "uint8") and x.dtype.kind == "f":
        whole = np.where(np.isnan(x), _INT32.min, np.clip(x, _INT32.min, 2.0**31)).astype(np.int64)
        x = np.minimum(whole, _INT32.max).astype(np.int32)
    if dtype == "int32" and x.dtype.kind in "iu" and x.dtype.itemsize >= 4:
        x = np.minimum(x, x.dtype.type(_INT32.max))
        x = x if x.dtype.kind == "u" else np.maximum(x, x.dtype.type(_INT32.min))
    with np.errstate(invalid="ignore"):
        return x.astype(dtype)


EVAL: dict[str, Callable[..., Any]] = {
    "exp": _of_float(np.exp),
    "expm1": _of_float(np.expm1),
    "log": _of_float(np.log),
    "log1p": _of_float(np.log1p),
    "sqrt": _of_float(np.sqrt),
    "rsqrt": _of_float(lambda x: x.dtype.type(1) / np.sqrt(x)),
    "reciprocal": _of_float(lambda x: x.dtype.type(1) / x),
    "tanh": _of_float(np.tanh),
    "sigmoid": _of_float(_sigmoid),
    "softplus": _of_float(_softplus),
    "erf": _of_float(_erf),
    "sin": _of_float(np.sin),
    "cos": _of_float(np.cos),
    "floor": _of_float(np.floor),
    "ceil": _of_float(np.ceil),
    "round": _of_float(np.rint),
    "negative": _of_numbers(np.negative),
    "absolute": _of_numbers(np.abs),
    "square": _of_numbers(np.square),
    "sign": _of_numbers(np.sign),
    "relu": _of_numbers(lambda x: np.maximum(x, x.dtype.type(0))),
    "isnan": np.isnan,
    "isfinite": np.isfinite,
    "logical_not": np.logical_not,
    "identity": lambda x: x,
    "stop_gradient": lambda x: x,
    "leaky_relu": _leaky_relu,
    "elu": _elu,
    "cast": cast,
    "autocast": lambda x, *, dtype: x,
    "add": _of_numbers(np.add),
    "subtract": _of_numbers(np.subtract),
    "multiply": _of_numbers(np.multiply),
    "divide": lambda a, b: np.divide(*numbers(as_float(a), as_float(b))),
    "power": _of_numbers(np.power),
    "maximum": _of_numbers(np.maximum),
    "minimum": _of_numbers(np.minimum),
    "floor_divide": _of_numbers(np.floor_divide),
    "mod": _of_numbers(np.mod),
    "less": np.less,
    "less_equal": np.less_equal,
    "greater": np.greater,
    "greater_equal": np.greater_equal,
    "equal": np.equal,
    "not_equal": np.not_equal,
    "logical_and": np.logical_and,
    "logical_or": np.logical_or,
    "relu_grad": lambda dy, y: np.where(y > 0, dy, dy.dtype.type(0)),
    "tanh_grad": lambda dy, y: dy * (y.dtype.type(1) - y * y),
    "sigmoid_grad": lambda dy, y: dy * (y * (y.dtype.type(1) - y)),
    "leaky_relu_grad": _leaky_relu_grad,
    "elu_grad": _elu_grad,
    "where": _where,
}
