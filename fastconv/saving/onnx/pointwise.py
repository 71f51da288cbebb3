"""Pointwise primitives as ONNX operators."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from fastconv.graph.passes import Step
from fastconv.graph.primitives.common import promote
from fastconv.saving.onnx.builder import GraphBuilder

# From the operands, all of the dtype that the primitive computes in, to the result.
Formula = Callable[[GraphBuilder, Step, Sequence[str]], str]


def _operator(name: str) -> Formula:
    return lambda graph, step, operands: graph.node(name, operands)


def _negated(name: str) -> Formula:
    return lambda graph, step, operands: graph.node("Not", [graph.node(name, operands)])


def _with_attribute(operator: str, argument: str) -> Formula:
    def formula(graph: GraphBuilder, step: Step, operands: Sequence[str]) -> str:
        return graph.node(operator, operands, alpha=step.attrs[argument])

    return formula


def _number(graph: GraphBuilder, number: float) -> str:
    return graph.constant(np.float32(number))


def _expm1(graph: GraphBuilder, step: Step, operands: Sequence[str]) -> str:
    """(exp(x) + 1) * tanh(x / 2), exact also near 0."""
    x = operands[0]
    half = graph.node("Tanh", [graph.node("Mul", [x, _number(graph, 0.5)])])
    return graph.node(
        "Mul", [graph.node("Add", [graph.node("Exp", [x]), _number(graph, 1.0)]), half]
    )


def _log1p(graph: GraphBuilder, step: Step, operands: Sequence[str]) -> str:
    """2 * atanh(x / (x + 2)) near 0, where log(1 + x) loses digits."""
    x = operands[0]
    ratio = graph.node("Div", [x, graph.node("Add", [x, _number(graph, 2.0)])])
    near = graph.node("Mul", [graph.node("Atanh", [ratio]), _number(graph, 2.0)])
    far = graph.node("Log", [graph.node("Add", [x, _number(graph, 1.0)])])
    is_near = graph.node("Less", [graph.node("Abs", [x]), _number(graph, 0.5)])
    return graph.node("Where", [is_near, near, far])


def _rsqrt(graph: GraphBuilder, step: Step, operands: Sequence[str]) -> str:
    return graph.node("Reciprocal", [graph.node("Sqrt", operands)])


def _square(graph: GraphBuilder, step: Step, operands: Sequence[str]) -> str:
    return graph.node("Mul", [operands[0], operands[0]])


def _isfinite(graph: GraphBuilder, step: Step, operands: Sequence[str]) -> str:
    return graph.node("Less", [graph.node("Abs", operands), _number(graph, np.inf)])


def _left(graph: GraphBuilder, operands: Sequence[str]) -> tuple[str, str]:
    """What whole divisors leave of floats, exact and with their sign, and if the divisor's is
    another."""
    left = graph.node("Mod", operands, fmod=1)
    signs = graph.node("Mul", [graph.node("Sign", [left]), graph.node("Sign", operands[1:])])
    return left, graph.node("Less", [signs, _number(graph, 0.0)])


def _floor_divide(graph: GraphBuilder, step: Step, operands: Sequence[str]) -> str:
    a, b = operands
    if not step.outputs[0].dtype.startswith("float"):
        exact = [graph.cast(x, "float64") for x in operands]  # that of integers is cut to zero
        return graph.cast(graph.node("Floor", [graph.node("Div", exact)]), step.outputs[0].dtype)
    left, opposite = _left(graph, operands)  # a / b may be rounded up to a whole number
    cut = graph.node("Div", [graph.node("Sub", [a, left]), b])
    whole = graph.node("Round", [graph.node("Sub", [cut, graph.cast(opposite, "float32")])])
    by_zero = graph.node("Equal", [b, _number(graph, 0.0)])
    return graph.node("Where", [by_zero, graph.node("Div", operands), whole])


def _mod(graph: GraphBuilder, step: Step, operands: Sequence[str]) -> str:
    """With the sign of the divisor, as in Python."""
    a, b = operands
    if not step.outputs[0].dtype.startswith("float"):
        whole = graph.node("Mul", [_floor_divide(graph, step, operands), b])
        return graph.node("Sub", [a, whole])
    left, opposite = _left(graph, operands)
    return graph.node("Where", [opposite, graph.node("Add", [left, b]), left])


def _cast(graph: GraphBuilder, step: Step, operands: Sequence[str]) -> str:
    if step.attrs["dtype"] == "bfloat16":  # rounded to it
        return graph.cast(graph.cast(operands[0], "bfloat16"), "float32")
    return operands[0]


def _identity(graph: GraphBuilder, step: Step, operands: Sequence[str]) -> str:
    return operands[0]


def _where(graph: GraphBuilder, step: Step, operands: Sequence[str]) -> str:
    if step.outputs[0].dtype != "bool":
        return graph.node("Where", operands)
    condition, *choices = operands  # onnxruntime chooses among numbers only
    numbers = [graph.cast(name, "uint8") for name in choices]
    return graph.cast(graph.node("Where", [condition, *numbers]), "bool")


_FLOAT: dict[str, Formula] = {
    "exp": _operator("Exp"),
    "expm1": _expm1,
    "log": _operator("Log"),
    "log1p": _log1p,
    "sqrt": _operator("Sqrt"),
    "rsqrt": _rsqrt,
    "reciprocal": _operator("Reciprocal"),
    "tanh": _operator("Tanh"),
    "sigmoid": _operator("Sigmoid"),
    "softplus": _operator("Softplus"),
    "erf": _operator("Erf"),
    "sin": _operator("Sin"),
    "cos": _operator("Cos"),
    "floor": _operator("Floor"),
    "ceil": _operator("Ceil"),
    "round": _operator("Round"),
    "leaky_relu": _with_attribute("LeakyRelu", "negative_slope"),
    "elu": _with_attribute("Elu", "alpha"),
    "divide": _operator("Div"),
}
_ARITHMETIC: dict[str, Formula] = {
    "negative": _operator("Neg"),
    "absolute": _operator("Abs"),
    "square": _square,
    "sign": _operator("Sign"),
    "relu": _operator("Relu"),
    "add": _operator("Add"),
    "subtract": _operator("Sub"),
    "multiply": _operator("Mul"),
    "power": _operator("Pow"),
    "maximum": _operator("Max"),
    "minimum": _operator("Min"),
    "floor_divide": _floor_divide,
    "mod": _mod,
}
_COMPARISONS: dict[str, Formula] = {
    "less": _operator("Less"),
    "less_equal": _operator("LessOrEqual"),
    "greater": _operator("Greater"),
    "greater_equal": _operator("GreaterOrEqual"),
    "equal": _operator("Equal"),
    "not_equal": _negated("Equal"),
}
_PREDICATES: dict[str, Formula] = {
    "isnan": _operator("IsNaN"),
    "isfinite": _isfinite,
}
_LOGIC: dict[str, Formula] = {
    "logical_not": _operator("Not"),
    "logical_and": _operator("And"),
    "logical_or": _operator("Or"),
}
_OTHERS: dict[str, Formula] = {
    "where": _where,
    "cast": _cast,
    "identity": _identity,
    "stop_gradient": _identity,
}
_FORMULAS = {**_FLOAT, **_ARITHMETIC, **_COMPARISONS, **_PREDICATES, **_LOGIC, **_OTHERS}


def _computed_in(step: Step) -> list[str]:
    """The dtype in which each operand takes part."""
    dtypes = [v.dtype for v in step.inputs]
    result = step.outputs[0].dtype
    if step.name in _COMPARISONS:
        return [promote(*dtypes)] * len(dtypes)
    if step.name in _PREDICATES:
        return [promote(dtypes[0], "float32")]
    if step.name in _LOGIC:
        return ["bool"] * len(dtypes)
    if step.name == "where":
        return ["bool", result, result]
    return [result] * len(dtypes)


def _add(graph: GraphBuilder, step: Step) -> None:
    order = graph.cheapest_order(step.inputs, len(step.outputs[0].shape))
    operands = []
    for value, dtype in zip(step.inputs, _computed_in(step), strict=True):
        name = graph.operand(value, order)
        operands.append(name if value.dtype == dtype else graph.cast(name, dtype))
    graph.set(step.outputs[0], _FORMULAS[step.name](graph, step, operands), order)


TRANSLATIONS = dict.fromkeys(_FORMULAS, _add)
