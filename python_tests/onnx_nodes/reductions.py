"""Reductions, products and sorting."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv import ops
from onnx_nodes.node import OutOfScopeError, operator

REDUCTIONS = {
    "ReduceSum": ops.sum,
    "ReduceMean": ops.mean,
    "ReduceMax": ops.max,
    "ReduceMin": ops.min,
    "ReduceProd": ops.prod,
    "ReduceL1": lambda x, axis, keepdims: ops.sum(ops.abs(x), axis, keepdims),
    "ReduceL2": lambda x, axis, keepdims: ops.sqrt(ops.sum(ops.square(x), axis, keepdims)),
    "ReduceSumSquare": lambda x, axis, keepdims: ops.sum(ops.square(x), axis, keepdims),
    "ReduceLogSum": lambda x, axis, keepdims: ops.log(ops.sum(x, axis, keepdims)),
    "ReduceLogSumExp": ops.logsumexp,
}


@operator(*REDUCTIONS)
def reduce(a: Any, x: Any, axes: Any = None) -> Any:
    axes = a.get("axes") if axes is None else [int(i) for i in axes]
    keepdims = bool(a.get("keepdims", 1))
    if axes is not None and not len(axes):
        axes = None
    if axes is None and a.get("noop_with_empty_axes", 0):
        return REDUCTIONS[a.op](ops.expand_dims(x, -1), -1, False)
    if x.size == 0 and a.op in ("ReduceMax", "ReduceMin", "ReduceLogSumExp"):
        raise OutOfScopeError("refuses the largest of nothing, as NumPy does")
    if x.dtype == np.bool_:
        return REDUCTIONS[a.op](x.astype(np.int32), axes, keepdims) > 0
    return REDUCTIONS[a.op](x, axes, keepdims)


@operator("ArgMax", "ArgMin")
def arg(a: Any, x: Any) -> Any:
    f = ops.argmax if a.op == "ArgMax" else ops.argmin
    axis, keepdims = a.get("axis", 0), bool(a.get("keepdims", 1))
    if not a.get("select_last_index", 0):
        return f(x, axis, keepdims)
    return x.shape[axis] - 1 - f(ops.flip(x, axis), axis, keepdims)


@operator("MatMul")
def matmul(a: Any, x: Any, y: Any) -> Any:
    return ops.matmul(x, y)


@operator("Gemm")
def gemm(a: Any, x: Any, y: Any, z: Any = None) -> Any:
    x = ops.transpose(x) if a.get("transA", 0) else x
    y = ops.transpose(y) if a.get("transB", 0) else y
    product = ops.matmul(x, y) * np.float32(a.get("alpha", 1.0))
    return product if z is None else product + np.float32(a.get("beta", 1.0)) * z


@operator("Einsum")
def einsum(a: Any, *xs: Any) -> Any:
    return ops.einsum(a["equation"], *xs)


@operator("Det")
def det(a: Any, x: Any) -> Any:
    return ops.det(x)


@operator("CumSum", "CumProd")
def cumulative(a: Any, x: Any, axis: Any) -> Any:
    f = ops.cumsum if a.op == "CumSum" else ops.cumprod
    axis = int(np.asarray(axis).reshape(()))
    x = ops.flip(x, axis) if a.get("reverse", 0) else x
    y = f(x, axis)
    if a.get("exclusive", 0):
        key: list[Any] = [slice(None)] * x.ndim
        key[axis] = slice(0, x.shape[axis] - 1)
        widths = [(0, 0)] * x.ndim
        widths[axis] = (1, 0)
        y = ops.pad(y[tuple(key)], widths, constant_values=float(a.op == "CumProd"))
    return ops.flip(y, axis) if a.get("reverse", 0) else y


@operator("TopK")
def top_k(a: Any, x: Any, k: Any) -> Any:
    axis = a.get("axis", -1)
    y = ops.moveaxis(x, axis, -1)
    sign = 1 if a.get("largest", 1) else -1
    if str(x.dtype).startswith("uint"):
        raise OutOfScopeError(f"has no {x.dtype}")
    values, positions = ops.top_k(y * sign, int(np.asarray(k).reshape(())))
    return [ops.moveaxis(values * sign, -1, axis), ops.moveaxis(positions, -1, axis)]


@operator("NonZero")
def nonzero(a: Any, x: Any) -> Any:
    return np.stack(ops.nonzero(x))


@operator("Mean", "Sum", "Max", "Min")
def variadic(a: Any, *xs: Any) -> Any:
    f = {"Max": ops.maximum, "Min": ops.minimum}.get(a.op, ops.add)
    total = xs[0]
    for x in xs[1:]:
        total = f(total, x)
    return total / np.float32(len(xs)) if a.op == "Mean" else total
