"""Max and average pooling of NHWC images."""

from __future__ import annotations

from collections.abc import Sequence

from fastconv.graph.primitive import Node, Spec, bind, primitive
from fastconv.graph.primitives.common import need_float, need_rank, not_differentiable
from fastconv.graph.primitives.linear import window_counts
from fastconv.graph.tensor import Tensor

Cotangents = list[Tensor | None]
IMAGES = "(batch, height, width, channels)"


def index_dtype(pool: Sequence[int]) -> str:
    """The dtype of a position in the window."""
    return "uint8" if pool[0] * pool[1] <= 255 else "int32"


def _pooled(
    name: str,
    size: Sequence[int | None],
    pool: Sequence[int],
    strides: Sequence[int],
    padding: Sequence[int],
) -> tuple[int, int]:
    counts = window_counts(name, size, pool, strides, [1, 1], padding)
    if max(padding[:2]) >= pool[0] or max(padding[2:]) >= pool[1]:
        raise ValueError(
            f"{name}: padding {list(padding)} must be smaller than the window {tuple(pool)}"
        )
    return counts


def _max_pool2d_rule(
    x: Tensor, *, pool: Sequence[int], strides: Sequence[int], padding: Sequence[int]
) -> list[Spec]:
    need_float("max_pool2d", inputs=x)
    need_rank("max_pool2d", "inputs", x, 4, IMAGES)
    counts = _pooled("max_pool2d", x.shape[1:3], pool, strides, padding)
    shape = (x.shape[0], *counts, x.shape[3])
    return [(shape, x.dtype), (shape, index_dtype(pool))]


def _max_pool2d_vjp(node: Node, cotangents: Cotangents) -> Cotangents:
    size = list(node.inputs[0].shape[1:3])
    if cotangents[0] is None:
        return [None]
    return [bind("max_pool2d_grad", cotangents[0], node.outputs[1], **node.attrs, input_shape=size)]


def _grad_rule(
    name: str,
    dy: Tensor,
    pool: Sequence[int],
    strides: Sequence[int],
    padding: Sequence[int],
    input_shape: Sequence[int],
) -> Spec:
    need_float(name, dy=dy)
    need_rank(name, "dy", dy, 4, IMAGES)
    counts = _pooled(name, input_shape, pool, strides, padding)
    if dy.shape[1:3] != counts:
        raise ValueError(
            f"{name}: dy must have shape (batch, {counts[0]}, {counts[1]}, channels), "
            f"got {dy.shape}"
        )
    return (dy.shape[0], *input_shape, dy.shape[3]), dy.dtype


def _max_pool2d_grad_rule(
    dy: Tensor,
    index: Tensor,
    *,
    pool: Sequence[int],
    strides: Sequence[int],
    padding: Sequence[int],
    input_shape: Sequence[int],
) -> Spec:
    if index.shape != dy.shape or index.dtype != index_dtype(pool):
        raise ValueError(
            f"max_pool2d_grad: index must be {index_dtype(pool)} of shape {dy.shape}, "
            f"got {index.dtype} of shape {index.shape}"
        )
    return _grad_rule("max_pool2d_grad", dy, pool, strides, padding, input_shape)


def _average_pool2d_rule(
    x: Tensor, *, pool: Sequence[int], strides: Sequence[int], padding: Sequence[int]
) -> Spec:
    need_float("average_pool2d", inputs=x)
    need_rank("average_pool2d", "inputs", x, 4, IMAGES)
    counts = _pooled("average_pool2d", x.shape[1:3], pool, strides, padding)
    return (x.shape[0], *counts, x.shape[3]), x.dtype


def _average_pool2d_vjp(node: Node, cotangents: Cotangents) -> Cotangents:
    size = list(node.inputs[0].shape[1:3])
    return [bind("average_pool2d_grad", cotangents[0], **node.attrs, input_shape=size)]


def _average_pool2d_grad_rule(
    dy: Tensor,
    *,
    pool: Sequence[int],
    strides: Sequence[int],
    padding: Sequence[int],
    input_shape: Sequence[int],
) -> Spec:
    return _grad_rule("average_pool2d_grad", dy, pool, strides, padding, input_shape)


def _average_pool2d_grad_vjp(node: Node, cotangents: Cotangents) -> Cotangents:
    attrs = {k: v for k, v in node.attrs.items() if k != "input_shape"}
    return [bind("average_pool2d", cotangents[0], **attrs)]


primitive("max_pool2d", _max_pool2d_rule, _max_pool2d_vjp)
primitive("max_pool2d_grad", _max_pool2d_grad_rule, not_differentiable)
primitive("average_pool2d", _average_pool2d_rule, _average_pool2d_vjp)
primitive("average_pool2d_grad", _average_pool2d_grad_rule, _average_pool2d_grad_vjp)
