"""Functions of numbers, element by element."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv import activations, ops
from onnx_nodes.node import OutOfScopeError, operator

UNARY = {
    "Abs": ops.abs,
    "Acos": ops.arccos,
    "Acosh": ops.arccosh,
    "Asin": ops.arcsin,
    "Asinh": ops.arcsinh,
    "Atan": ops.arctan,
    "Atanh": ops.arctanh,
    "Ceil": ops.ceil,
    "Cos": ops.cos,
    "Cosh": ops.cosh,
    "Erf": ops.erf,
    "Exp": ops.exp,
    "Floor": ops.floor,
    "HardSwish": ops.hard_silu,
    "IsNaN": ops.isnan,
    "Log": ops.log,
    "Mish": activations.mish,
    "Neg": ops.negative,
    "Not": ops.logical_not,
    "Reciprocal": ops.reciprocal,
    "Relu": ops.relu,
    "Round": ops.round,
    "Sigmoid": ops.sigmoid,
    "Sign": ops.sign,
    "Sin": ops.sin,
    "Sinh": ops.sinh,
    "Softplus": ops.softplus,
    "Softsign": ops.softsign,
    "Sqrt": ops.sqrt,
    "Tan": ops.tan,
    "Tanh": ops.tanh,
    "BitwiseNot": ops.bitwise_not,
    "Identity": ops.copy,
}
BINARY = {
    "Add": ops.add,
    "And": ops.logical_and,
    "BitwiseAnd": ops.bitwise_and,
    "BitwiseOr": ops.bitwise_or,
    "BitwiseXor": ops.bitwise_xor,
    "Equal": ops.equal,
    "Greater": ops.greater,
    "GreaterOrEqual": ops.greater_equal,
    "Less": ops.less,
    "LessOrEqual": ops.less_equal,
    "Mul": ops.multiply,
    "Or": ops.logical_or,
    "Sub": ops.subtract,
    "Xor": ops.logical_xor,
}


@operator(*UNARY)
def unary(a: Any, x: Any) -> Any:
    return UNARY[a.op](x)


@operator(*BINARY)
def binary(a: Any, x: Any, y: Any) -> Any:
    return BINARY[a.op](x, y)


@operator("Div")
def divide(a: Any, x: Any, y: Any) -> Any:
    if x.dtype.kind == "f":
        return ops.divide(x, y)
    if x.dtype.kind == "i":  # towards zero
        return ops.sign(x) * ops.sign(y) * ops.floor_divide(ops.abs(x), ops.abs(y))
    return ops.floor_divide(x, y)


@operator("Pow")
def power(a: Any, x: Any, y: Any) -> Any:
    return ops.cast(ops.power(x, y), str(x.dtype))


@operator("Mod")
def mod(a: Any, x: Any, y: Any) -> Any:
    return (ops.fmod if a.get("fmod", 0) else ops.mod)(x, y)


@operator("BitShift")
def bit_shift(a: Any, x: Any, y: Any) -> Any:
    return (ops.left_shift if a["direction"] == "LEFT" else ops.right_shift)(x, y)


@operator("LeakyRelu")
def leaky_relu(a: Any, x: Any) -> Any:
    return ops.leaky_relu(x, a.get("alpha", 0.01))


@operator("Elu")
def elu(a: Any, x: Any) -> Any:
    return ops.elu(x, a.get("alpha", 1.0))


@operator("Celu")
def celu(a: Any, x: Any) -> Any:
    return ops.celu(x, a.get("alpha", 1.0))


@operator("Selu")
def selu(a: Any, x: Any) -> Any:
    if not a:
        return ops.selu(x)
    return np.float32(a["gamma"]) * ops.elu(x, a["alpha"])


@operator("Gelu")
def gelu(a: Any, x: Any) -> Any:
    return ops.gelu(x, approximate=a.get("approximate", "none") == "tanh")


@operator("Swish")
def swish(a: Any, x: Any) -> Any:
    alpha = a.get("alpha", 1.0)
    return ops.silu(x) if alpha == 1.0 else x * ops.sigmoid(x * np.float32(alpha))


@operator("HardSigmoid")
def hard_sigmoid(a: Any, x: Any) -> Any:
    slope, offset = a.get("alpha", 0.2), a.get("beta", 0.5)
    return ops.clip(x * np.float32(slope) + np.float32(offset), 0.0, 1.0)


@operator("ThresholdedRelu")
def thresholded_relu(a: Any, x: Any) -> Any:
    return ops.threshold(x, a.get("alpha", 1.0), 0.0)


@operator("PRelu")
def prelu(a: Any, x: Any, slope: Any) -> Any:
    return ops.where(x >= 0, x, ops.multiply(x, slope))


@operator("Shrink")
def shrink(a: Any, x: Any) -> Any:
    limit, bias = a.get("lambd", 0.5), a.get("bias", 0.0)
    if bias == 0.0:
        return ops.hard_shrink(x, limit)
    if bias != limit:
        raise OutOfScopeError("shrinks by its threshold")
    return ops.soft_shrink(x, limit)


@operator("Clip")
def clip(a: Any, x: Any, low: Any = None, high: Any = None) -> Any:
    low = a.get("min", low)
    high = a.get("max", high)
    if low is not None and high is not None:
        return ops.clip(x, low, high)
    x = x if low is None else ops.maximum(x, low)
    return x if high is None else ops.minimum(x, high)


@operator("IsInf")
def isinf(a: Any, x: Any) -> Any:
    below, above = bool(a.get("detect_negative", 1)), bool(a.get("detect_positive", 1))
    if below and above:
        return ops.isinf(x)
    if not below and not above:
        return ops.zeros_like(x, "bool")
    return ops.isneginf(x) if below else ops.isposinf(x)


@operator("Where")
def where(a: Any, condition: Any, x: Any, y: Any) -> Any:
    return ops.where(condition, x, y)


CASTS = {1: "float32", 2: "uint8", 6: "int32", 7: "int64", 9: "bool", 11: "float64"}


@operator("Cast")
def cast(a: Any, x: Any) -> Any:
    if a["to"] not in CASTS:
        raise OutOfScopeError("has five dtypes")
    return ops.cast(x, CASTS[a["to"]])


@operator("CastLike")
def cast_like(a: Any, x: Any, like: Any) -> Any:
    if str(like.dtype) not in CASTS.values():
        raise OutOfScopeError("has five dtypes")
    return ops.cast(x, str(like.dtype))


@operator("Range")
def arange(a: Any, start: Any, limit: Any, delta: Any) -> Any:
    return ops.arange(start.item(), limit.item(), delta.item())


@operator("HammingWindow", "HannWindow", "BlackmanWindow")
def window_function(a: Any, size: Any) -> Any:
    n = int(size)
    f = {"HammingWindow": ops.hamming, "HannWindow": ops.hanning, "BlackmanWindow": ops.blackman}
    if a.op == "HammingWindow":  # with 25/46, not 0.54
        raise OutOfScopeError("has NumPy's coefficients of Hamming's window")
    return f[a.op](n + 1)[:n] if a.get("periodic", 1) else f[a.op](n)


@operator("Constant")
def constant(a: Any) -> Any:
    from onnx.numpy_helper import to_array

    if "value" in a:
        return to_array(a["value"])
    for key, dtype in (("value_float", np.float32), ("value_int", np.int64)):
        if key in a:
            return np.asarray(a[key], dtype)
        if key + "s" in a:
            return np.asarray(a[key + "s"], dtype)
    raise OutOfScopeError("has no text")


@operator("ConstantOfShape")
def constant_of_shape(a: Any, shape: Any) -> Any:
    from onnx.numpy_helper import to_array

    value = to_array(a["value"]) if "value" in a else np.zeros(1, np.float32)
    return ops.full([int(d) for d in shape], value.reshape(()).item(), str(value.dtype))
