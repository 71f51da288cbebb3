"""Primitives that move elements and compute nothing."""

from __future__ import annotations

from collections.abc import Sequence

from fastconv.graph.primitive import Node, Spec, bind, primitive
from fastconv.graph.primitives.common import (
    broadcast_shapes,
    is_float,
    size_of,
    sized,
    unbroadcast,
    unsized,
)
from fastconv.graph.primitives.reduction import check_axes
from fastconv.graph.tensor import Shape, Tensor

Cotangents = list[Tensor | None]


def _reshape_rule(x: Tensor, *, shape: Sequence[int]) -> Spec:
    result = unsized(shape)
    if any(d is None for d in result[1:]) or (result[:1] == (None,)) != x.batched:
        raise ValueError(f"reshape: the batch must stay the first axis, got {x.shape} to {result}")
    start = 1 if x.batched else 0
    if size_of(x.shape[start:]) != size_of(result[start:]):
        raise ValueError(f"reshape: cannot turn shape {x.shape} into {result}")
    return result, x.dtype


def _reshape_vjp(node: Node, cotangents: Cotangents) -> Cotangents:
    return [bind("reshape", cotangents[0], shape=sized(node.inputs[0].shape))]


def _transpose_rule(x: Tensor, *, perm: Sequence[int]) -> Spec:
    if sorted(perm) != list(range(x.ndim)):
        raise ValueError(
            f"transpose: axes must be a permutation of 0..{x.ndim - 1} for shape {x.shape}, "
            f"got {list(perm)}"
        )
    if x.batched and perm[0] != 0:
        raise ValueError(
            f"transpose: the batch must stay the first axis, got {list(perm)} for shape {x.shape}"
        )
    return tuple(x.shape[p] for p in perm), x.dtype


def _transpose_vjp(node: Node, cotangents: Cotangents) -> Cotangents:
    perm = node.attrs["perm"]
    inverse = [perm.index(i) for i in range(len(perm))]
    return [bind("transpose", cotangents[0], perm=inverse)]


def _concatenate_rule(*xs: Tensor, axis: int) -> Spec:
    if not xs:
        raise ValueError("concatenate: needs at least one tensor")
    first = xs[0]
    check_axes("concatenate", first, [axis])
    for x in xs[1:]:
        rest = x.ndim == first.ndim and all(
            a == b for i, (a, b) in enumerate(zip(x.shape, first.shape, strict=True)) if i != axis
        )
        if not rest:
            listed = ", ".join(str(t.shape) for t in xs)
            raise ValueError(
                f"concatenate: shapes must agree on every axis but axis {axis}, got {listed}"
            )
    if first.shape[axis] is None or any(x.shape[axis] is None for x in xs):
        raise ValueError("concatenate: cannot join symbolic tensors along the batch axis")
    dims = list(first.shape)
    dims[axis] = sum(size_of([x.shape[axis]]) for x in xs)
    if any(x.dtype != first.dtype for x in xs):
        raise TypeError(f"concatenate: dtypes must be one, got {', '.join(x.dtype for x in xs)}")
    return tuple(dims), first.dtype


def _concatenate_vjp(node: Node, cotangents: Cotangents) -> Cotangents:
    axis, at = node.attrs["axis"], 0
    result: Cotangents = []
    for x in node.inputs:
        starts, stops = [0] * x.ndim, sized(x.shape)
        starts[axis], stops[axis] = at, at + size_of([x.shape[axis]])
        at = stops[axis]
        result.append(bind("slice", cotangents[0], starts=starts, stops=stops, steps=[1] * x.ndim))
    return result


def _slice_rule(
    x: Tensor, *, starts: Sequence[int], stops: Sequence[int], steps: Sequence[int]
) -> Spec:
    """On the batch axis the slice is whole: start 0, stop -1, step 1."""
    if not len(starts) == len(stops) == len(steps) == x.ndim:
        raise ValueError(f"slice: needs {x.ndim} starts, stops and steps for shape {x.shape}")
    dims: list[int | None] = []
    for axis, (d, start, stop, step) in enumerate(zip(x.shape, starts, stops, steps, strict=True)):
        if d is None:
            if (start, stop, step) != (0, -1, 1):
                raise ValueError(f"slice: the batch axis of shape {x.shape} cannot be cut")
            dims.append(None)
            continue
        if step < 1 or not 0 <= start <= stop <= d:
            raise ValueError(
                f"slice: {start}:{stop}:{step} does not fit axis {axis} of shape {x.shape}"
            )
        dims.append(-(-(stop - start) // step))
    return tuple(dims), x.dtype


def _slice_vjp(node: Node, cotangents: Cotangents) -> Cotangents:
    x, dy = node.inputs[0], cotangents[0]
    assert dy is not None
    pads: list[int] = []
    interior: list[int] = []
    for d, n, start, step in zip(
        x.shape, dy.shape, node.attrs["starts"], node.attrs["steps"], strict=True
    ):
        if d is None or n is None:
            pads += [0, 0]
            interior.append(0)
            continue
        spanned = start + (n - 1) * step + 1 if n else start
        pads += [start, d - spanned]
        interior.append(step - 1)
    return [bind("pad", dy, pads=pads, interior=interior, value=0.0)]


def _pad_rule(x: Tensor, *, pads: Sequence[int], interior: Sequence[int], value: float) -> Spec:
    del value
    if len(pads) != 2 * x.ndim or len(interior) != x.ndim:
        raise ValueError(f"pad: needs {x.ndim} pairs for shape {x.shape}, got {list(pads)}")
    if min([*pads, *interior, 0]) < 0:
        raise ValueError(f"pad: widths must not be negative, got {list(pads)}")
    dims: list[int | None] = []
    for axis, d in enumerate(x.shape):
        before, after, between = pads[2 * axis], pads[2 * axis + 1], interior[axis]
        if d is None:
            if before or after or between:
                raise ValueError(f"pad: the batch axis of shape {x.shape} cannot be padded")
            dims.append(None)
        else:
            dims.append(before + after + d + max(0, d - 1) * between)
    return tuple(dims), x.dtype


def _pad_vjp(node: Node, cotangents: Cotangents) -> Cotangents:
    x, pads, interior = node.inputs[0], node.attrs["pads"], node.attrs["interior"]
    starts, stops = list(pads[::2]), sized(x.shape)
    for axis, d in enumerate(x.shape):
        if d is not None:
            stops[axis] = starts[axis] + ((d - 1) * (interior[axis] + 1) + 1 if d else 0)
    return [
        bind("slice", cotangents[0], starts=starts, stops=stops, steps=[i + 1 for i in interior])
    ]


def _broadcast_to_rule(x: Tensor, *like: Tensor, shape: Sequence[int]) -> Spec:
    result = unsized(shape)
    if result[:1] == (None,) and not x.batched and not (like and like[0].batched):
        raise ValueError(
            f"broadcast_to: shape {result} needs a batched tensor to take the batch of"
        )
    if broadcast_shapes("broadcast_to", x.shape, result) != result:
        raise ValueError(f"broadcast_to: shape {x.shape} does not broadcast to {result}")
    return result, x.dtype


def _broadcast_to_vjp(node: Node, cotangents: Cotangents) -> Cotangents:
    grad = unbroadcast(cotangents[0], node.inputs[0])
    return [grad, *[None] * (len(node.inputs) - 1)]


def _need_indices(name: str, indices: Tensor) -> None:
    if is_float(indices.dtype) or indices.dtype == "bool":
        raise TypeError(f"{name}: indices must be integers, got {indices.dtype}")


def _check_own_indices(name: str, x_shape: Shape, indices: Tensor, axis: int) -> None:
    if axis != 1 or indices.ndim < 1 or indices.shape[0] != x_shape[0]:
        raise ValueError(
            f"{name}: batch_dims=1 needs axis 1 and indices for each row of {x_shape}, got axis "
            f"{axis} and indices {indices.shape}"
        )


def _take_rule(x: Tensor, indices: Tensor, *, axis: int, batch_dims: int = 0) -> Spec:
    """With ``batch_dims`` 1 each row of the first axis has indices of its own, for axis 1."""
    check_axes("take", x, [axis])
    _need_indices("take", indices)
    if batch_dims:
        _check_own_indices("take", x.shape, indices, axis)
        return indices.shape + x.shape[2:], x.dtype
    if x.batched and (axis == 0 or indices.batched):
        raise ValueError(
            f"take: cannot take from the batch axis, got x {x.shape}, indices {indices.shape}, "
            f"axis {axis}"
        )
    return x.shape[:axis] + indices.shape + x.shape[axis + 1 :], x.dtype


def _take_vjp(node: Node, cotangents: Cotangents) -> Cotangents:
    x, indices = node.inputs
    return [
        bind("scatter_add", cotangents[0], indices, shape=sized(x.shape), **node.attrs),
        None,
    ]


def _scatter_add_rule(
    updates: Tensor, indices: Tensor, *, shape: Sequence[int], axis: int, batch_dims: int = 0
) -> Spec:
    result = unsized(shape)
    _need_indices("scatter_add", indices)
    if batch_dims:
        _check_own_indices("scatter_add", result, indices, axis)
    expected = result[: axis - batch_dims] + indices.shape + result[axis + 1 :]
    if updates.shape != expected:
        raise ValueError(f"scatter_add: updates must have shape {expected}, got {updates.shape}")
    return result, updates.dtype


def _scatter_add_vjp(node: Node, cotangents: Cotangents) -> Cotangents:
    attrs = {k: v for k, v in node.attrs.items() if k != "shape"}
    return [bind("take", cotangents[0], node.inputs[1], **attrs), None]


def _one_hot_rule(indices: Tensor, *, depth: int) -> Spec:
    _need_indices("one_hot", indices)
    if depth < 1:
        raise ValueError(f"one_hot: the number of classes must be positive, got {depth}")
    return (*indices.shape, depth), "float32"


def _flip_rule(x: Tensor, *, axes: Sequence[int]) -> Spec:
    check_axes("flip", x, axes)
    if x.batched and 0 in axes:
        raise ValueError(f"flip: the batch axis of shape {x.shape} cannot be flipped")
    return x.shape, x.dtype


def _flip_vjp(node: Node, cotangents: Cotangents) -> Cotangents:
    return [bind("flip", cotangents[0], **node.attrs)]


primitive("reshape", _reshape_rule, _reshape_vjp)
primitive("transpose", _transpose_rule, _transpose_vjp)
primitive("concatenate", _concatenate_rule, _concatenate_vjp)
primitive("slice", _slice_rule, _slice_vjp)
primitive("pad", _pad_rule, _pad_vjp)
primitive("broadcast_to", _broadcast_to_rule, _broadcast_to_vjp)
primitive("take", _take_rule, _take_vjp)
primitive("scatter_add", _scatter_add_rule, _scatter_add_vjp)
primitive("one_hot", _one_hot_rule)
primitive("flip", _flip_rule, _flip_vjp)
