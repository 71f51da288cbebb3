"""Operators that move, cut and join elements."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv import ops
from onnx_nodes.node import OutOfScopeError, operator


def ints(value: Any) -> list[int]:
    return [int(v) for v in np.asarray(value).reshape(-1)]


@operator("Concat")
def concat(a: Any, *xs: Any) -> Any:
    return ops.concatenate(xs, a["axis"])


@operator("Transpose")
def transpose(a: Any, x: Any) -> Any:
    return ops.transpose(x, a.get("perm"))


@operator("Reshape")
def reshape(a: Any, x: Any, shape: Any) -> Any:
    dims = ints(shape)
    if not a.get("allowzero", 0):
        dims = [x.shape[i] if d == 0 else d for i, d in enumerate(dims)]
    return ops.reshape(x, dims)


@operator("Flatten")
def flatten(a: Any, x: Any) -> Any:
    axis = a.get("axis", 1) % (x.ndim + 1) if a.get("axis", 1) < 0 else a.get("axis", 1)
    axis = axis - 1 if a.get("axis", 1) < 0 else axis
    return ops.reshape(x, (int(np.prod(x.shape[:axis])), -1))


@operator("Squeeze")
def squeeze(a: Any, x: Any, axes: Any = None) -> Any:
    axes = a.get("axes") if axes is None else ints(axes)
    return ops.squeeze(x, axes)


@operator("Unsqueeze")
def unsqueeze(a: Any, x: Any, axes: Any = None) -> Any:
    axes = a.get("axes") if axes is None else ints(axes)
    for axis in sorted(i % (x.ndim + len(axes)) for i in axes):
        x = ops.expand_dims(x, axis)
    return x


@operator("Expand")
def expand(a: Any, x: Any, shape: Any) -> Any:
    return ops.broadcast_to(x, np.broadcast_shapes(x.shape, tuple(ints(shape))))


@operator("Tile")
def tile(a: Any, x: Any, repeats: Any) -> Any:
    return ops.tile(x, ints(repeats))


@operator("Shape")
def shape(a: Any, x: Any) -> Any:
    return np.asarray(ops.shape(x)[slice(a.get("start"), a.get("end"))], np.int64)


@operator("Size")
def size(a: Any, x: Any) -> Any:
    return np.asarray(ops.size(x), np.int64)


@operator("Slice")
def cut(a: Any, x: Any, starts: Any, ends: Any, axes: Any = None, steps: Any = None) -> Any:
    axes = list(range(len(starts))) if axes is None else ints(axes)
    key: list[Any] = [slice(None)] * x.ndim
    for i, axis in enumerate(axes):
        step = 1 if steps is None else ints(steps)[i]
        stop: int | None = ints(ends)[i]
        if step < 0 and stop is not None and stop < -x.shape[axis]:
            stop = None
        key[axis] = slice(ints(starts)[i], stop, step)
    return ops.get_item(x, tuple(key))


@operator("Split")
def split(a: Any, x: Any, sizes: Any = None) -> Any:
    axis = a.get("axis", 0)
    sizes = a.get("split") if sizes is None else ints(sizes)
    if sizes is not None:
        return ops.split(x, np.cumsum(sizes)[:-1].tolist(), axis)
    n = a.get("num_outputs", len(a.outputs))
    part = -(-x.shape[axis] // n)
    return ops.split(x, [part * i for i in range(1, n)], axis)


@operator("Pad")
def pad(a: Any, x: Any, pads: Any, value: Any = None, axes: Any = None) -> Any:
    axes = list(range(x.ndim)) if axes is None else ints(axes)
    n = len(axes)
    widths, key = [[0, 0] for _ in range(x.ndim)], [slice(None)] * x.ndim
    for i, axis in enumerate(axes):
        before, after = ints(pads)[i], ints(pads)[i + n]
        widths[axis] = [max(0, before), max(0, after)]
        key[axis] = slice(max(0, -before), x.shape[axis] - max(0, -after))
    x = ops.get_item(x, tuple(key))
    mode = a.get("mode", "constant")
    if mode != "constant":
        return ops.pad(x, widths, mode)
    return ops.pad(x, widths, constant_values=0.0 if value is None else float(value))


def positive(indices: Any, n: int) -> Any:
    return ops.where(indices < 0, indices + n, indices)


@operator("Gather")
def gather(a: Any, x: Any, indices: Any) -> Any:
    axis = a.get("axis", 0)
    return ops.take(x, positive(indices, x.shape[axis]), axis)


@operator("GatherElements")
def gather_elements(a: Any, x: Any, indices: Any) -> Any:
    axis = a.get("axis", 0)
    if any(d != n for i, (d, n) in enumerate(zip(indices.shape, x.shape, strict=True))
           if i != axis % x.ndim):  # fmt: skip
        raise OutOfScopeError("takes along whole axes")
    return ops.take_along_axis(x, indices, axis)


@operator("ScatterND")
def scatter_nd(a: Any, x: Any, indices: Any, updates: Any) -> Any:
    reduction = a.get("reduction", "none")
    return ops.scatter_update(
        x, indices, updates, reduction=None if reduction == "none" else reduction
    )


@operator("ScatterElements", "Scatter")
def scatter_elements(a: Any, x: Any, indices: Any, updates: Any) -> Any:
    axis = a.get("axis", 0) % x.ndim
    places = np.stack(np.meshgrid(*map(np.arange, indices.shape), indexing="ij"), -1)
    places[..., axis] = positive(indices, x.shape[axis])
    return scatter_nd(a, x, places, updates)


@operator("OneHot")
def one_hot(a: Any, indices: Any, depth: Any, values: Any) -> Any:
    n = int(np.asarray(depth).reshape(()))
    at = positive(ops.cast(indices, "int32"), n)
    off, on = values
    marks = ops.one_hot(at, n, a.get("axis", -1))
    return ops.cast(ops.where(marks > 0, on, off), str(values.dtype))


@operator("EyeLike")
def eye_like(a: Any, x: Any) -> Any:
    from onnx_nodes.numbers import CASTS

    if a.get("dtype", 1) not in CASTS:
        raise OutOfScopeError("has five dtypes")
    dtype = CASTS[a["dtype"]] if "dtype" in a else str(x.dtype)
    return ops.eye(*x.shape, k=a.get("k", 0), dtype=dtype)


@operator("Trilu")
def trilu(a: Any, x: Any, k: Any = None) -> Any:
    f = ops.triu if a.get("upper", 1) else ops.tril
    return f(x, 0 if k is None else int(np.asarray(k).reshape(())))


@operator("Compress")
def compress(a: Any, x: Any, condition: Any) -> Any:
    (at,) = ops.nonzero(condition)
    return ops.take(x, at, a.get("axis"))


@operator("Unique")
def unique(a: Any, x: Any) -> Any:
    if not a.get("sorted", 1) or len([o for o in a.outputs if o]) > 1:
        raise OutOfScopeError("gives sorted elements, and no first positions")
    return ops.unique(x, axis=a.get("axis"))


@operator("Resize", "Upsample")
def resize(a: Any, x: Any, *more: Any) -> Any:
    scales, sizes = (*more, None, None, None)[1:3] if a.op == "Resize" else (*more, None)
    mode = a.get("mode", "nearest")
    place = a.get("coordinate_transformation_mode", "half_pixel")
    if a.get("axes") or a.get("keep_aspect_ratio_policy"):
        raise OutOfScopeError("resizes height and width, to a size that is given")
    if x.ndim != 4 or (sizes is not None and tuple(sizes[:2]) != x.shape[:2]):
        raise OutOfScopeError("resizes images")
    if sizes is not None:
        size = ints(sizes[2:])
    else:
        if tuple(scales[:2]) != (1, 1):
            raise OutOfScopeError("resizes images")
        size = [int(d * s) for d, s in zip(x.shape[2:], scales[2:], strict=True)]
        if any(int(d * s) != d * s for d, s in zip(x.shape[2:], scales[2:], strict=True)):
            raise OutOfScopeError("resizes to whole pixels")
    whole = a.op == "Upsample" or (
        mode == "nearest" and all(n % d == 0 for n, d in zip(size, x.shape[2:], strict=True))
    )
    rounding = (place, a.get("nearest_mode", "round_prefer_floor"))
    usual = {("half_pixel", "round_prefer_floor"), ("asymmetric", "floor")}
    if mode == "nearest" and (not whole or (a.op == "Resize" and rounding not in usual)):
        raise OutOfScopeError("has the nearest pixel of half_pixel, its middle rounded down")
    if mode != "nearest" and place != "half_pixel":
        raise OutOfScopeError("has the middle of pixels at 1/2")
    named = {"nearest": "nearest", "linear": "bilinear", "cubic": "bicubic"}
    if (
        a.get("antialias")
        and mode != "nearest"
        and any(n < d for n, d in zip(size, x.shape[2:], strict=True))
    ):
        raise OutOfScopeError("does not average where images become smaller")
    own = a.get("cubic_coeff_a", -0.75) == -0.5 and a.get("exclude_outside", 0)
    if mode == "cubic" and not own:
        raise OutOfScopeError("has Keys's coefficient -0.5, of pixels inside")
    return ops.image.resize(x, size, named[mode], data_format="channels_first")
