"""Reductions as ONNX operators."""

from __future__ import annotations

import numpy as np

from fastconv.graph.passes import Step
from fastconv.saving.onnx.builder import GraphBuilder

_OPERATORS = {
    "sum": "ReduceSum",
    "mean": "ReduceMean",
    "max": "ReduceMax",
    "min": "ReduceMin",
    "prod": "ReduceProd",
}


def _reduction(graph: GraphBuilder, step: Step) -> None:
    x, y = step.inputs[0], step.outputs[0]
    axes, keepdims = list(step.attrs["axes"]), int(step.attrs.get("keepdims", 0))
    order = graph.cheapest_order([x], len(x.shape))
    name = graph.get(x, order)
    dtype = "uint8" if y.dtype == "bool" else y.dtype  # booleans have no order in ONNX
    if x.dtype != dtype:
        name = graph.cast(name, dtype)
    places = sorted(order.index(a) for a in axes)
    if not axes:
        result = name
    elif step.name == "sum":  # the only one that takes its axes as a tensor in this opset
        result = graph.node("ReduceSum", [name, graph.ints(places)], keepdims=keepdims)
    else:
        result = graph.node(_OPERATORS[step.name], [name], axes=places, keepdims=keepdims)
    if dtype != y.dtype:
        result = graph.cast(result, y.dtype)
    if keepdims:
        graph.set(y, result, order)
        return
    left = [a for a in range(len(order)) if a not in axes]
    graph.set(y, result, tuple(left.index(a) for a in order if a in left))


def _position(graph: GraphBuilder, step: Step) -> None:
    operator = "ArgMax" if step.name == "argmax" else "ArgMin"
    x, name = step.inputs[0], graph.get(step.inputs[0])
    if x.dtype == "bool":
        name = graph.cast(name, "uint8")
    found = graph.node(operator, [name], axis=step.attrs["axis"], keepdims=0)
    graph.set(step.outputs[0], graph.cast(found, step.outputs[0].dtype))


def _count(graph: GraphBuilder, step: Step) -> None:
    """The number of rows, times that of the elements counted in each."""
    x = step.inputs[0]
    rows = graph.node("Gather", [graph.node("Shape", [graph.get(x)]), graph.constant(np.int64(0))])
    sizes = [n for a in step.attrs["axes"] if (n := x.shape[a]) is not None]
    fixed = np.prod(sizes, dtype=np.float32)
    count = graph.node("Mul", [graph.cast(rows, "float32"), graph.constant(np.float32(fixed))])
    graph.set(step.outputs[0], count)


TRANSLATIONS = {
    **dict.fromkeys(_OPERATORS, _reduction),
    "argmax": _position,
    "argmin": _position,
    "count": _count,
}
