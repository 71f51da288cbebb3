"""Factors and shifts of channels become part of the weights before them: batch normalization."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.graph.passes import Flow, Step, Value
from fastconv.graph.tensor import Array

_LINEAR = ("conv2d", "conv2d_input_grad", "dense")


def fold_into_weights(flow: Flow) -> None:
    """Where all that follows a linear step with constant weights is a factor or a shift of its
    channels, that goes into the weights and the bias, which is a third input afterwards."""
    for step in list(flow.steps):
        if step.name not in ("multiply", "divide", "add", "subtract"):
            continue
        a, b = step.inputs
        if step.name in ("multiply", "add") and a.constant is not None:
            a, b = b, a
        result, linear = step.outputs[0], a.maker
        if linear is None or linear.name not in _LINEAR or flow.only_user(a) is not step:
            continue
        row = _row(b, a)
        if row is None or result.shape != a.shape or linear.inputs[1].constant is None:
            continue
        if _absorb(flow, linear, step.name, row):
            flow.replace(result, a)
            flow.remove(step)
    flow.settle()


def _row(value: Value, like: Value) -> Array | None:
    """A constant that differs from channel to channel only, with an element for each."""
    array, channels = value.constant, int(like.shape[-1] or 0)
    if array is None or array.size != (array.shape[-1] if array.ndim else 1):
        return None
    return np.broadcast_to(array.reshape(-1), (channels,)) if array.size in (1, channels) else None


def _absorb(flow: Flow, step: Step, name: str, row: Array) -> bool:
    x, weights, *rest = step.inputs
    kernel: Any = weights.constant
    bias: Any = rest[0].constant if rest else np.zeros(row.shape, np.float32)
    if bias is None:
        return False
    if name in ("add", "subtract"):
        bias = bias + row if name == "add" else bias - row
    else:
        if step.name == "conv2d_input_grad":
            if step.attrs["groups"] != 1:
                return False
            factor = row[:, None]  # its channels are the kernel's third axis
        else:
            factor = row
        operation = np.multiply if name == "multiply" else np.divide
        kernel, bias = operation(kernel, factor), operation(bias, row)
    flow.set_inputs(step, [x, _constant(kernel), _constant(bias)])
    return True


def _constant(array: Array) -> Value:
    array = np.ascontiguousarray(array, np.float32)
    return Value(array.shape, "float32", source=array)
