"""Primitives whose output at i depends on their inputs at i alone, after broadcasting."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from fastconv.graph.primitive import Node, Spec, Vjp, bind, primitive
from fastconv.graph.primitives.common import (
    broadcast_shapes,
    is_float,
    promote,
    promote_to_float,
    unbroadcast,
)
from fastconv.graph.tensor import Tensor

DTYPES = ("float32", "bfloat16", "float64", "int32", "int64", "bool", "uint8")


def _unary_rule(result: Callable[[str], str]) -> Callable[..., Spec]:
    def rule(x: Tensor, **_attrs: Any) -> Spec:
        return x.shape, result(x.dtype)

    return rule


def _binary_rule(name: str, result: Callable[[str, str], str]) -> Callable[..., Spec]:
    def rule(a: Tensor, b: Tensor) -> Spec:
        return broadcast_shapes(name, a.shape, b.shape), result(a.dtype, b.dtype)

    return rule


def _unary_vjp(partial: Callable[[Any, Any, Any], Any]) -> Vjp:
    """From ``partial(dy, x, y)``."""

    def vjp(node: Node, cotangents: list[Tensor | None]) -> list[Tensor | None]:
        return [partial(cotangents[0], node.inputs[0], node.outputs[0])]

    return vjp


def _binary_vjp(partial: Callable[[Any, Any, Any, Any], tuple[Any, Any]]) -> Vjp:
    """From ``partial(dy, a, b, y)``; the sums over broadcast axes are added here."""

    def vjp(node: Node, cotangents: list[Tensor | None]) -> list[Tensor | None]:
        a, b = node.inputs
        da, db = partial(cotangents[0], a, b, node.outputs[0])
        return [unbroadcast(da, a), unbroadcast(db, b)]

    return vjp


def _float_unary(name: str, partial: Callable[[Any, Any, Any], Any] | None) -> None:
    vjp = None if partial is None else _unary_vjp(partial)
    primitive(name, _unary_rule(promote_to_float), vjp, pointwise=True)


_float_unary("exp", lambda dy, x, y: dy * y)
_float_unary("expm1", lambda dy, x, y: dy * (y + 1.0))
_float_unary("log", lambda dy, x, y: dy / x)
_float_unary("log1p", lambda dy, x, y: dy / (x + 1.0))
_float_unary("sqrt", lambda dy, x, y: dy * 0.5 / y)
_float_unary("rsqrt", lambda dy, x, y: dy * -0.5 * y / x)
_float_unary("reciprocal", lambda dy, x, y: -dy * bind("square", y))
_float_unary("tanh", lambda dy, x, y: bind("tanh_grad", dy, y))
_float_unary("sigmoid", lambda dy, x, y: bind("sigmoid_grad", dy, y))
_float_unary("softplus", lambda dy, x, y: dy * bind("sigmoid", x))
_float_unary(
    "erf", lambda dy, x, y: dy * (2.0 / math.sqrt(math.pi)) * bind("exp", -bind("square", x))
)
_float_unary("sin", lambda dy, x, y: dy * bind("cos", x))
_float_unary("cos", lambda dy, x, y: -dy * bind("sin", x))
_float_unary("floor", None)
_float_unary("ceil", None)
_float_unary("round", None)


def _arithmetic_unary(name: str, partial: Callable[[Any, Any, Any], Any] | None) -> None:
    vjp = None if partial is None else _unary_vjp(partial)
    primitive(name, _unary_rule(promote), vjp, pointwise=True)


_arithmetic_unary("negative", lambda dy, x, y: -dy)
_arithmetic_unary("absolute", lambda dy, x, y: dy * bind("sign", x))
_arithmetic_unary("square", lambda dy, x, y: dy * x * 2.0)
_arithmetic_unary("sign", None)
_arithmetic_unary("relu", lambda dy, x, y: bind("relu_grad", dy, y))

for _name in ("isnan", "isfinite", "logical_not"):
    primitive(_name, _unary_rule(lambda dtype: "bool"), pointwise=True)
primitive(
    "identity", _unary_rule(lambda dtype: dtype), _unary_vjp(lambda dy, x, y: dy), pointwise=True
)
primitive("stop_gradient", _unary_rule(lambda dtype: dtype), pointwise=True)


# Unary with attributes


def _leaky_relu_vjp(node: Node, cotangents: list[Tensor | None]) -> list[Tensor | None]:
    return [bind("leaky_relu_grad", cotangents[0], node.outputs[0], **node.attrs)]


def _leaky_relu_rule(x: Tensor, *, negative_slope: float) -> Spec:
    if negative_slope < 0:
        raise ValueError(f"leaky_relu: negative_slope must not be negative, got {negative_slope}")
    return x.shape, promote_to_float(x.dtype)


def _elu_rule(x: Tensor, *, alpha: float) -> Spec:
    if alpha < 0:
        raise ValueError(f"elu: alpha must not be negative, got {alpha}")
    return x.shape, promote_to_float(x.dtype)


def _elu_vjp(node: Node, cotangents: list[Tensor | None]) -> list[Tensor | None]:
    return [bind("elu_grad", cotangents[0], node.outputs[0], **node.attrs)]


def _cast_rule(x: Tensor, *, dtype: str) -> Spec:
    if dtype not in DTYPES:
        raise ValueError(f"cast: dtype must be one of {', '.join(DTYPES)}; got {dtype!r}")
    return x.shape, dtype


def _cast_vjp(node: Node, cotangents: list[Tensor | None]) -> list[Tensor | None]:
    x, dy = node.inputs[0], cotangents[0]
    assert dy is not None
    if not (is_float(x.dtype) and is_float(node.outputs[0].dtype)):
        return [None]
    return [autocast(dy, x.dtype)]


def autocast(x: Tensor, dtype: str) -> Any:
    """A float tensor as another float dtype, without rounding it."""
    if x.dtype == dtype:
        return x
    name = "cast" if "float64" in (x.dtype, dtype) else "autocast"
    return bind(name, x, dtype=dtype)


def _autocast_rule(x: Tensor, *, dtype: str) -> Spec:
    if {x.dtype, dtype} - {"float32", "bfloat16"}:
        raise ValueError(f"autocast: from {x.dtype} to {dtype}")
    return x.shape, dtype


def _dropout_rule(x: Tensor, *, rate: float, stream: int) -> Spec:
    del stream
    if not 0.0 <= rate < 1.0:
        raise ValueError(f"dropout: rate must be in [0, 1), got {rate}")
    if not is_float(x.dtype):
        raise TypeError(f"dropout: inputs must be float32, got {x.dtype}")
    return x.shape, x.dtype


def _dropout_vjp(node: Node, cotangents: list[Tensor | None]) -> list[Tensor | None]:
    return [bind("dropout", cotangents[0], **node.attrs)]  # the same stream: the same mask


primitive("leaky_relu", _leaky_relu_rule, _leaky_relu_vjp, pointwise=True)
primitive("elu", _elu_rule, _elu_vjp, pointwise=True)
primitive("cast", _cast_rule, _cast_vjp, pointwise=True)
primitive("autocast", _autocast_rule, _cast_vjp, pointwise=True)
primitive("dropout", _dropout_rule, _dropout_vjp, pointwise=True, stateful=True)


# Binary


def _arithmetic(name: str, partial: Callable[[Any, Any, Any, Any], tuple[Any, Any]] | None) -> None:
    vjp = None if partial is None else _binary_vjp(partial)
    primitive(name, _binary_rule(name, promote), vjp, pointwise=True)


def _power_partial(dy: Any, a: Any, b: Any, y: Any) -> tuple[Any, Any]:
    safe = bind("where", bind("greater", a, 0.0), a, 1.0)
    exponent = bind("where", bind("equal", b, 0.0), 1.0, b) - 1.0  # b * 0 ** -1 would be NaN
    return dy * b * bind("power", a, exponent), dy * y * bind("log", safe)


def _choice_partial(comparison: str) -> Callable[[Any, Any, Any, Any], tuple[Any, Any]]:
    """maximum and minimum: of equal operands the first gets the gradient."""

    def partial(dy: Any, a: Any, b: Any, y: Any) -> tuple[Any, Any]:
        first = bind(comparison, a, b)
        return bind("where", first, dy, 0.0), bind("where", first, 0.0, dy)

    return partial


_arithmetic("add", lambda dy, a, b, y: (dy, dy))
_arithmetic("subtract", lambda dy, a, b, y: (dy, -dy))
_arithmetic("multiply", lambda dy, a, b, y: (dy * b, dy * a))
_arithmetic("power", _power_partial)
_arithmetic("maximum", _choice_partial("greater_equal"))
_arithmetic("minimum", _choice_partial("less_equal"))
_arithmetic("floor_divide", None)
_arithmetic("mod", lambda dy, a, b, y: (dy, -dy * bind("floor_divide", a, b)))
primitive(
    "divide",
    _binary_rule("divide", promote_to_float),
    _binary_vjp(lambda dy, a, b, y: (dy / b, -dy * y / b)),
    pointwise=True,
)
_PREDICATES = (
    *("less", "less_equal", "greater", "greater_equal", "equal", "not_equal"),
    *("logical_and", "logical_or"),
)
for _name in _PREDICATES:
    primitive(_name, _binary_rule(_name, lambda a, b: "bool"), pointwise=True)


# Gradients from the output y


def _from_output(
    name: str, partial: Callable[[Any, Any, Any, dict[str, Any]], tuple[Any, Any]]
) -> None:
    """A primitive ``name(dy, y)`` that is linear in dy, and its own vjp from
    ``partial(cotangent, dy, y, attrs)``."""

    def rule(dy: Tensor, y: Tensor, **_attrs: Any) -> Spec:
        if dy.shape != y.shape:
            raise ValueError(f"{name}: dy and y must have one shape, got {dy.shape} and {y.shape}")
        dtype = promote(dy.dtype, y.dtype)
        if not is_float(dtype):
            raise TypeError(f"{name}: dy and y must be float32, got {dy.dtype} and {y.dtype}")
        return y.shape, dtype

    def vjp(node: Node, cotangents: list[Tensor | None]) -> list[Tensor | None]:
        dy, y = node.inputs
        return list(partial(cotangents[0], dy, y, node.attrs))

    primitive(name, rule, vjp, pointwise=True)


_from_output("relu_grad", lambda ct, dy, y, attrs: (bind("relu_grad", ct, y), None))
_from_output("tanh_grad", lambda ct, dy, y, attrs: (bind("tanh_grad", ct, y), ct * dy * y * -2.0))
_from_output(
    "sigmoid_grad",
    lambda ct, dy, y, attrs: (bind("sigmoid_grad", ct, y), ct * dy * (1.0 - y * 2.0)),
)
_from_output(
    "leaky_relu_grad", lambda ct, dy, y, attrs: (bind("leaky_relu_grad", ct, y, **attrs), None)
)
_from_output(
    "elu_grad",
    lambda ct, dy, y, attrs: (
        bind("elu_grad", ct, y, **attrs),
        bind("where", bind("greater", y, 0.0), 0.0, ct * dy),
    ),
)


# Ternary


def _where_rule(condition: Tensor, a: Tensor, b: Tensor) -> Spec:
    shape = broadcast_shapes("where", condition.shape, a.shape, b.shape)
    return shape, a.dtype if a.dtype == b.dtype else promote(a.dtype, b.dtype)


def _where_vjp(node: Node, cotangents: list[Tensor | None]) -> list[Tensor | None]:
    condition, a, b = node.inputs
    dy = cotangents[0]
    return [
        None,
        unbroadcast(bind("where", condition, dy, 0.0), a),
        unbroadcast(bind("where", condition, 0.0, dy), b),
    ]


primitive("where", _where_rule, _where_vjp, pointwise=True)
