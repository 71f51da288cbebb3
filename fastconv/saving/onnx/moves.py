"""Primitives that move elements as ONNX operators."""

from __future__ import annotations

import numpy as np

from fastconv.graph.passes import Step
from fastconv.graph.primitives.common import unsized
from fastconv.saving.onnx.builder import GraphBuilder, Order

_END = np.iinfo(np.int64).max


def _reshape(graph: GraphBuilder, step: Step) -> None:
    """Nothing: it is done when its result is asked for in a way that needs it."""


def _transpose(graph: GraphBuilder, step: Step) -> None:
    """No node: what is held is the result too, in another order."""
    perm = list(step.attrs["perm"])
    x = step.inputs[0]
    for order, name in graph.orders(x).items():
        graph.set(step.outputs[0], name, tuple(perm.index(a) for a in order))


def _order(graph: GraphBuilder, step: Step) -> Order:
    return graph.cheapest_order(step.inputs, len(step.outputs[0].shape))


def _concatenate(graph: GraphBuilder, step: Step) -> None:
    y, order = step.outputs[0], _order(graph, step)
    parts = []
    for value in step.inputs:
        name = graph.get(value, order)
        parts.append(name if value.dtype == y.dtype else graph.cast(name, y.dtype))
    graph.set(y, graph.node("Concat", parts, axis=order.index(step.attrs["axis"])), order)


def _slice(graph: GraphBuilder, step: Step) -> None:
    x, order = step.inputs[0], _order(graph, step)
    cuts = []
    for place, axis in enumerate(order):
        cut = tuple(int(step.attrs[key][axis]) for key in ("starts", "stops", "steps"))
        if x.shape[axis] is not None and cut != (0, x.shape[axis], 1):
            cuts.append((*cut, place))
    starts, stops, steps, places = (graph.ints(column) for column in zip(*cuts, strict=True))
    result = graph.node("Slice", [graph.get(x, order), starts, stops, places, steps])
    graph.set(step.outputs[0], result, order)


def _pad(graph: GraphBuilder, step: Step) -> None:
    x, y, order = step.inputs[0], step.outputs[0], _order(graph, step)
    pads, value = step.attrs["pads"], step.attrs["value"]
    filling = graph.constant(np.asarray(value, x.dtype))
    name = graph.get(x, order)
    shape = [x.shape[axis] for axis in order]
    for place, axis in enumerate(order):
        between, size = step.attrs["interior"][axis], shape[place]
        if between and size:  # each element with what follows it, and the last without
            rank = len(order)
            name = graph.reshape(name, (*shape[: place + 1], 1, *shape[place + 1 :]))
            widths = [0] * (2 * rank + 2)
            widths[rank + 1 + place + 1] = between
            name = graph.node("Pad", [name, graph.ints(widths), filling])
            shape[place] = size * (between + 1)
            name = graph.reshape(name, tuple(shape))
            shape[place] = size * (between + 1) - between
            ends = [graph.ints([n]) for n in (0, shape[place] or 0, place)]
            name = graph.node("Slice", [name, *ends])
    if any(pads):
        widths = [pads[2 * axis + side] for side in (0, 1) for axis in order]
        name = graph.node("Pad", [name, graph.ints(widths), filling])
    graph.set(y, name, order)


def _broadcast(graph: GraphBuilder, step: Step) -> None:
    x, *like = step.inputs
    shape = unsized(step.attrs["shape"])
    if shape[:1] == (None,) and not x.batched:
        rows = graph.node("Shape", [graph.get(like[0])], start=0, end=1)
        fixed = graph.ints(int(d or 1) for d in shape[1:])
        target = graph.node("Concat", [rows, fixed], axis=0)
    else:
        target = graph.ints(1 if d is None else d for d in shape)
    graph.set(step.outputs[0], graph.node("Expand", [graph.get(x), target]))


def _take(graph: GraphBuilder, step: Step) -> None:
    x, indices = step.inputs
    y = step.outputs[0]
    if step.attrs.get("batch_dims"):  # each row has indices of its own, along axis 1
        places = graph.reshape(graph.get(indices), (*indices.shape, 1))
        operands = [graph.get(x), graph.cast(places, "int64")]
        graph.set(y, graph.node("GatherND", operands, batch_dims=1))
        return
    operands = [graph.get(x), graph.get(indices)]
    graph.set(y, graph.node("Gather", operands, axis=step.attrs["axis"]))


def _one_hot(graph: GraphBuilder, step: Step) -> None:
    indices, y = step.inputs[0], step.outputs[0]
    column = graph.reshape(graph.get(indices), (*indices.shape, 1))
    if indices.dtype != "int32":
        column = graph.cast(column, "int32")
    classes = graph.constant(np.arange(step.attrs["depth"], dtype=np.int32))
    graph.set(y, graph.cast(graph.node("Equal", [column, classes]), y.dtype))


def _flip(graph: GraphBuilder, step: Step) -> None:
    order = _order(graph, step)
    places = [order.index(a) for a in step.attrs["axes"]]
    n = len(places)
    cut = [graph.ints(numbers) for numbers in ([-1] * n, [-_END] * n, places, [-1] * n)]
    result = graph.node("Slice", [graph.get(step.inputs[0], order), *cut])
    graph.set(step.outputs[0], result, order)


TRANSLATIONS = {
    "reshape": _reshape,
    "transpose": _transpose,
    "concatenate": _concatenate,
    "slice": _slice,
    "pad": _pad,
    "broadcast_to": _broadcast,
    "take": _take,
    "one_hot": _one_hot,
    "flip": _flip,
}
