"""Convolutions, pooling and matrix products as ONNX operators."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fastconv.graph.passes import Step, Value
from fastconv.saving.onnx.builder import GraphBuilder

FIRST = (0, 3, 1, 2)  # images with their channels first
_KERNEL = (3, 2, 0, 1)


def _pads(padding: Sequence[int]) -> list[int]:
    top, bottom, left, right = padding
    return [top, left, bottom, right]


def _geometry(step: Step) -> dict[str, object]:
    attrs = step.attrs
    return {
        "kernel_shape": list(step.inputs[1].shape[:2]),
        "strides": list(attrs["strides"]),
        "dilations": list(attrs["dilation"]),
        "group": attrs.get("groups", 1),
        "pads": _pads(attrs["padding"]),
    }


def _convolution(graph: GraphBuilder, step: Step) -> None:
    x, w, *bias = step.inputs
    operands = [graph.get(x, FIRST), graph.get(w, _KERNEL), *map(graph.get, bias)]
    graph.set(step.outputs[0], graph.node("Conv", operands, **_geometry(step)), FIRST)


def _transposed_convolution(graph: GraphBuilder, step: Step) -> None:
    dy, w, *bias = step.inputs
    geometry, padding = _geometry(step), step.attrs["padding"]
    extra = []  # rows and columns that no window of the convolution begins at
    for i, size in enumerate(step.attrs["input_shape"]):
        reach = step.attrs["dilation"][i] * (int(w.shape[i] or 0) - 1) + 1
        padded = size + padding[2 * i] + padding[2 * i + 1]
        extra.append((padded - reach) % step.attrs["strides"][i])
    operands = [graph.get(dy, FIRST), graph.get(w, _KERNEL), *map(graph.get, bias)]
    result = graph.node("ConvTranspose", operands, output_padding=extra, **geometry)
    graph.set(step.outputs[0], result, FIRST)


def _pool(graph: GraphBuilder, step: Step) -> None:
    attributes = {
        "kernel_shape": list(step.attrs["pool"]),
        "strides": list(step.attrs["strides"]),
        "pads": _pads(step.attrs["padding"]),
    }
    if any(v.users or v.pins for v in step.outputs[1:]):
        raise NotImplementedError("the positions of the maxima are used")
    operator = "MaxPool" if step.name == "max_pool2d" else "AveragePool"
    x = graph.get(step.inputs[0], FIRST)
    graph.set(step.outputs[0], graph.node(operator, [x], **attributes), FIRST)


def _dense(graph: GraphBuilder, step: Step) -> None:
    x, w, *bias = step.inputs
    result = step.outputs[0]
    if len(x.shape) == 2:
        rows, weights = _rows(graph, x, w)
        graph.set(result, graph.node("Gemm", [rows, weights, *map(graph.get, bias)]))
        return
    product = graph.node("MatMul", [graph.get(x), graph.get(w)])
    graph.set(result, graph.node("Add", [product, graph.get(bias[0])]) if bias else product)


def _rows(graph: GraphBuilder, x: Value, w: Value) -> tuple[str, str]:
    """The operands of a product. Where x is flattened from images that are held channels-first,
    it is cheaper to move the rows of constant weights than the images."""
    maker, kernel = x.maker, w.constant
    if maker is not None and maker.name == "reshape" and x.batched and kernel is not None:
        images = maker.inputs[0]
        identity = tuple(range(len(images.shape)))
        orders = [o for o in graph.orders(images) if o[0] == 0]
        if images.batched and orders and identity not in graph.orders(images):
            order = orders[0]
            flat = graph.reshape(graph.orders(images)[order], x.shape)
            sides = [int(d or 0) for d in images.shape[1:]]
            moved = kernel.reshape(*sides, -1).transpose([a - 1 for a in order[1:]] + [len(sides)])
            return flat, graph.constant(moved.reshape(kernel.shape))
    return graph.get(x), graph.get(w)


def _dense_input_grad(graph: GraphBuilder, step: Step) -> None:
    dy, w = step.inputs
    graph.set(step.outputs[0], graph.node("MatMul", [graph.get(dy), graph.get(w, (1, 0))]))


def _matmul(graph: GraphBuilder, step: Step) -> None:
    operands = []
    for value, key in zip(step.inputs, ("transpose_a", "transpose_b"), strict=True):
        order = list(range(len(value.shape)))
        if step.attrs.get(key):
            order[-2:] = order[:-3:-1]
        operands.append(graph.get(value, tuple(order)))
    graph.set(step.outputs[0], graph.node("MatMul", operands))


def _softmax(graph: GraphBuilder, step: Step) -> None:
    x = step.inputs[0]
    rank = len(x.shape)
    order = graph.cheapest_order([x], rank)
    operator = "Softmax" if step.name == "softmax" else "LogSoftmax"
    y = graph.node(operator, [graph.get(x, order)], axis=order.index(rank - 1))
    graph.set(step.outputs[0], y, order)


def _batch_norm(graph: GraphBuilder, step: Step) -> None:
    """With the statistics of the batch itself."""
    x, gamma, beta = step.inputs
    axes = list(range(len(x.shape) - 1))
    name, epsilon = graph.get(x), graph.constant(np.float32(step.attrs["epsilon"]))
    mean = graph.node("ReduceMean", [name], axes=axes, keepdims=0)
    centred = graph.node("Sub", [name, mean])
    squares = graph.node("Mul", [centred, centred])
    variance = graph.node("ReduceMean", [squares], axes=axes, keepdims=0)
    deviation = graph.node("Sqrt", [graph.node("Add", [variance, epsilon])])
    factor = graph.node("Div", [graph.get(gamma), deviation])
    scaled = graph.node("Mul", [centred, factor])
    results = graph.node("Add", [scaled, graph.get(beta)]), mean, variance
    for value, result in zip(step.outputs, results, strict=True):
        graph.set(value, result)


TRANSLATIONS = {
    "conv2d": _convolution,
    "conv2d_input_grad": _transposed_convolution,
    "max_pool2d": _pool,
    "average_pool2d": _pool,
    "dense": _dense,
    "dense_input_grad": _dense_input_grad,
    "matmul": _matmul,
    "softmax": _softmax,
    "log_softmax": _softmax,
    "batch_norm": _batch_norm,
}
