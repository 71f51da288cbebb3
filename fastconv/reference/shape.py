"""Primitives that move elements, in NumPy. A dimension of -1 is the batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastconv.graph.tensor import Array
from fastconv.reference.pointwise import numbers


def _dims(shape: Sequence[int], batched: Array) -> tuple[int, ...]:
    return tuple(batched.shape[0] if d == -1 else d for d in shape)


def _slice(x: Array, *, starts: Sequence[int], stops: Sequence[int], steps: Sequence[int]) -> Any:
    key = tuple(
        slice(a, None if b == -1 else b, s) for a, b, s in zip(starts, stops, steps, strict=True)
    )
    return x[key]


def _pad(x: Array, *, pads: Sequence[int], interior: Sequence[int], value: float) -> Any:
    shape, key = [], []
    for d, before, after, between in zip(x.shape, pads[::2], pads[1::2], interior, strict=True):
        spanned = d + max(0, d - 1) * between
        shape.append(before + spanned + after)
        key.append(slice(before, before + spanned, between + 1))
    result = np.full(shape, value, x.dtype)
    result[tuple(key)] = x
    return result


def _key(indices: Array, axis: int, batch_dims: int) -> Any:
    """What the indices mean between the brackets of an array."""
    if batch_dims:
        rows = np.arange(len(indices)).reshape(-1, *[1] * (indices.ndim - 1))
        return rows, indices
    return (*[slice(None)] * axis, indices)


def _take(x: Array, indices: Array, *, axis: int, batch_dims: int = 0) -> Any:
    return x[_key(indices, axis, batch_dims)]


def _scatter_add(
    updates: Array, indices: Array, *, shape: Sequence[int], axis: int, batch_dims: int = 0
) -> Any:
    result = np.zeros(_dims(shape, updates), updates.dtype)
    np.add.at(result, _key(indices, axis, batch_dims), updates)
    return result


def _one_hot(indices: Array, *, depth: int) -> Any:
    return (indices[..., None] == np.arange(depth)).astype(np.float32)


def _concatenate(*xs: Array, axis: int) -> Any:
    same = len({x.dtype for x in xs}) == 1
    return np.concatenate(xs if same else numbers(*xs), axis=axis)


EVAL: dict[str, Callable[..., Any]] = {
    "reshape": lambda x, *, shape: x.reshape(_dims(shape, x)),
    "transpose": lambda x, *, perm: np.ascontiguousarray(x.transpose(perm)),
    "concatenate": _concatenate,
    "slice": _slice,
    "pad": _pad,
    "broadcast_to": lambda x, *like, shape: np.array(
        np.broadcast_to(x, _dims(shape, like[0] if like else x))
    ),
    "take": _take,
    "scatter_add": _scatter_add,
    "one_hot": _one_hot,
    "flip": lambda x, *, axes: np.flip(x, tuple(axes)),
}
