"""Sums, means, extremes over axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastconv.graph.primitive import Node, Spec, bind, primitive
from fastconv.graph.primitives.common import (
    broadcast_like,
    is_float,
    keepdims_shape,
    promote,
    promote_to_float,
    restore_axes,
    size_of,
)
from fastconv.graph.tensor import Shape, Tensor


def check_axes(name: str, x: Tensor, axes: Sequence[int]) -> None:
    if any(not 0 <= a < x.ndim for a in axes) or sorted(set(axes)) != list(axes):
        raise ValueError(
            f"{name}: axes must be increasing and in 0..{x.ndim - 1} for shape {x.shape}, "
            f"got {list(axes)}"
        )


def reduced_shape(shape: Shape, axes: Sequence[int], keepdims: int) -> Shape:
    if keepdims:
        return keepdims_shape(shape, axes)
    return tuple(d for i, d in enumerate(shape) if i not in axes)


def _rule(name: str) -> Any:
    def rule(x: Tensor, *, axes: Sequence[int], keepdims: int = 0) -> Spec:
        check_axes(name, x, axes)
        dtype = x.dtype
        if name == "mean":
            dtype = promote_to_float(dtype)
        elif name in ("sum", "prod"):
            dtype = promote(dtype)
        if name in ("max", "min"):
            for a in axes:
                if x.shape[a] == 0:
                    raise ValueError(f"{name}: axis {a} of shape {x.shape} is empty")
        return reduced_shape(x.shape, axes, keepdims), dtype

    return rule


def _sum_vjp(node: Node, cotangents: list[Tensor | None]) -> list[Tensor | None]:
    x, axes = node.inputs[0], node.attrs["axes"]
    return [broadcast_like(restore_axes(cotangents[0], x.shape, axes), x)]


def _mean_vjp(node: Node, cotangents: list[Tensor | None]) -> list[Tensor | None]:
    x, axes = node.inputs[0], node.attrs["axes"]
    dy: Any = cotangents[0]
    if x.batched and 0 in axes:
        scaled = dy / bind("count", x, axes=axes)
    else:
        scaled = dy * (1.0 / max(1, size_of([x.shape[a] for a in axes])))
    return [broadcast_like(restore_axes(scaled, x.shape, axes), x)]


def _extreme_vjp(node: Node, cotangents: list[Tensor | None]) -> list[Tensor | None]:
    """Elements that tie for the extreme share the gradient equally."""
    x, axes = node.inputs[0], node.attrs["axes"]
    y = restore_axes(node.outputs[0], x.shape, axes)
    dy: Any = restore_axes(cotangents[0], x.shape, axes)
    ties = bind("cast", bind("equal", x, y), dtype=x.dtype)
    count = restore_axes(bind("sum", ties, axes=axes, keepdims=0), x.shape, axes)
    return [ties * (dy / count)]


def _prod_vjp(node: Node, cotangents: list[Tensor | None]) -> list[Tensor | None]:
    """dy * (the product of the other elements), also where elements are zero."""
    x, axes = node.inputs[0], node.attrs["axes"]
    dy: Any = restore_axes(cotangents[0], x.shape, axes)
    zero = bind("equal", x, 0.0)
    nonzero = bind("where", zero, 1.0, x)
    product = restore_axes(bind("prod", nonzero, axes=axes, keepdims=0), x.shape, axes)
    zeros = bind("sum", bind("cast", zero, dtype=x.dtype), axes=axes, keepdims=0)
    others = restore_axes(zeros, x.shape, axes) - bind("cast", zero, dtype=x.dtype)
    return [bind("where", bind("equal", others, 0.0), dy * product / nonzero, 0.0)]


for _name, _vjp in {
    "sum": _sum_vjp,
    "mean": _mean_vjp,
    "max": _extreme_vjp,
    "min": _extreme_vjp,
    "prod": _prod_vjp,
}.items():
    primitive(_name, _rule(_name), _vjp)


def _arg_rule(name: str) -> Any:
    def rule(x: Tensor, *, axis: int) -> Spec:
        check_axes(name, x, [axis])
        if x.shape[axis] == 0:
            raise ValueError(f"{name}: axis {axis} of shape {x.shape} is empty")
        if (x.shape[axis] or 0) > 2**31:
            raise ValueError(f"{name}: int32 cannot count axis {axis} of shape {x.shape}")
        return reduced_shape(x.shape, [axis], 0), "int32"

    return rule


def _count_rule(x: Tensor, *, axes: Sequence[int]) -> Spec:
    check_axes("count", x, axes)
    return (), x.dtype if is_float(x.dtype) else "float32"


primitive("argmax", _arg_rule("argmax"))
primitive("argmin", _arg_rule("argmin"))
primitive("count", _count_rule)
