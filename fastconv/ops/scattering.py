"""Results put together from parts: values at positions, boxes, rows summed up by number."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastconv.graph import Tensor, bind, operation
from fastconv.graph.primitives.common import size_of
from fastconv.ops.layout import reshape
from fastconv.ops.operand import offsets, operand
from fastconv.ops.reduction import sum

Shape = Sequence[int]


def _flat_positions(name: str, indices: Any, shape: Shape) -> Any:
    """Rows of positions, one for each of the first axes of ``shape``, as places in all of them."""
    indices = operand(indices)
    depth = indices.shape[-1]
    if depth > len(shape):
        raise ValueError(f"{name}: rows of {depth} indices are too long for shape {tuple(shape)}")
    sizes = np.asarray(shape[:depth], np.int32)
    strides = np.asarray([math.prod(shape[i + 1 : depth]) for i in range(depth)], np.int32)
    return sum(offsets(name, indices, sizes, strides, math.prod(shape[:depth])), axis=-1)


@operation
def scatter(indices: Any, values: Any, shape: Shape) -> Any:
    """Zeros of a shape, with values added at positions (rows of the last axis of ``indices``).

    >>> scatter([[0], [2]], [1.0, 5.0], (4,))
    array([1., 0., 5., 0.], dtype=float32)
    """
    values, at = operand(values), _flat_positions("scatter", indices, shape)
    depth = operand(indices).shape[-1]
    rest = list(shape[depth:])
    n = math.prod(shape[:depth])
    rows = bind("reshape", values, shape=[size_of(at.shape), *rest])
    flat = bind("scatter_add", rows, reshape(at, -1), shape=[n, *rest], axis=0)
    return reshape(flat, list(shape))


@operation
def scatter_update(inputs: Any, indices: Any, updates: Any, reduction: str | None = None) -> Any:
    """``inputs`` with updates at positions (rows of the last axis of ``indices``).

    ``reduction`` None puts them in place of what was there, the last one where several have one
    position; "add", "mul", "max" and "min" combine them (the last three on arrays only).
    """
    inputs, updates = operand(inputs), operand(updates)
    if reduction not in (None, "add", "max", "min", "mul"):
        raise ValueError(
            f"scatter_update: reduction must be None, 'add', 'max', 'min' or 'mul', got "
            f"{reduction!r}"
        )
    if reduction == "add":
        return inputs + scatter(indices, updates, inputs.shape)
    if not isinstance(inputs, Tensor) and not isinstance(updates, Tensor):
        key = tuple(np.moveaxis(np.asarray(operand(indices)), -1, 0))
        result = inputs.copy()
        if reduction is None:
            result[key] = updates
        else:
            ufunc = {"max": np.maximum, "min": np.minimum, "mul": np.multiply}[reduction]
            ufunc.at(result, key, updates)
        return result
    if reduction is not None:
        raise ValueError(f"scatter_update: reduction {reduction!r} works on arrays only")
    if isinstance(indices, Tensor):
        raise ValueError("scatter_update: indices of a symbolic update must be known numbers")
    places = np.asarray(operand(indices))
    depth = places.shape[-1]
    places = places.reshape(-1, depth)
    flat = _flat_positions("scatter_update", places, inputs.shape)
    # Where several updates have one position the last one counts: the others get no place.
    last = {p: i for i, p in enumerate(flat.tolist())}
    chosen = np.asarray(list(last.values()), np.int32)
    rest = list(inputs.shape[depth:])
    rows = bind("reshape", updates, shape=[len(flat), *rest])
    kept = bind("take", rows, chosen, axis=0)
    touched = np.zeros([*inputs.shape[:depth], *[1] * len(rest)], np.bool_)
    touched.flat[flat[chosen]] = True
    return bind("where", touched, scatter(places[chosen], kept, inputs.shape), inputs)


@operation
def slice_update(inputs: Any, start_indices: Shape, updates: Any) -> Any:
    """``inputs`` with the box that starts at ``start_indices`` replaced by ``updates``."""
    inputs, updates = operand(inputs), operand(updates)
    if not len(start_indices) == inputs.ndim == updates.ndim:
        raise ValueError(
            f"slice_update: start_indices {tuple(start_indices)} and updates of shape "
            f"{updates.shape} do not have an axis for each of {inputs.shape}"
        )
    pads: list[int] = []
    mask = []
    for n, m, start in zip(inputs.shape, updates.shape, start_indices, strict=True):
        if n is None or m is None:
            if start or n is not m:
                raise ValueError("slice_update: the batch axis can only be replaced whole")
            pads += [0, 0]
            mask.append(np.ones(1, np.bool_))
            continue
        if not 0 <= int(start) <= n - m:
            raise ValueError(
                f"slice_update: {updates.shape} at {tuple(start_indices)} does not fit into "
                f"{inputs.shape}"
            )
        pads += [int(start), n - m - int(start)]
        at = np.arange(n)
        mask.append((at >= int(start)) & (at < int(start) + m))
    inside = np.ones((), np.bool_)
    for i, line in enumerate(mask):
        shape = [1] * len(mask)
        shape[i] = len(line)
        inside = inside & line.reshape(shape)
    placed = bind("pad", updates, pads=pads, interior=[0] * inputs.ndim, value=0.0)
    return bind("where", inside, placed, inputs)


@operation
def segment_sum(
    data: Any, segment_ids: Any, num_segments: int | None = None, sorted: bool = False
) -> Any:
    """The sums of the rows with each number; those with a number of no segment are left out."""
    del sorted
    data, ids = operand(data), operand(segment_ids)
    n = _segments("segment_sum", ids, num_segments)
    ids = bind("cast", ids, dtype="int32")
    known = bind("logical_and", bind("greater_equal", ids, 0), bind("less", ids, n))
    ids = bind("where", known, ids, n)  # the others are summed up behind the last one
    return bind("scatter_add", data, ids, shape=[n + 1, *data.shape[1:]], axis=0)[:n]


@operation
def segment_max(
    data: Any, segment_ids: Any, num_segments: int | None = None, sorted: bool = False
) -> Any:
    """The largest elements of the rows with each number, -inf where there are none."""
    del sorted
    return _segment_reduction("segment_max", "max", -math.inf, data, segment_ids, num_segments)


@operation
def segment_min(
    data: Any, segment_ids: Any, num_segments: int | None = None, sorted: bool = False
) -> Any:
    """The smallest elements of the rows with each number, inf where there are none."""
    del sorted
    return _segment_reduction("segment_min", "min", math.inf, data, segment_ids, num_segments)


@operation
def segment_prod(
    data: Any, segment_ids: Any, num_segments: int | None = None, sorted: bool = False
) -> Any:
    """The products of the rows with each number."""
    del sorted
    return _segment_reduction("segment_prod", "prod", 1.0, data, segment_ids, num_segments)


def _segments(name: str, ids: Any, num_segments: int | None) -> int:
    if num_segments is not None:
        return int(num_segments)
    if isinstance(ids, Tensor):
        raise ValueError(f"{name}: num_segments is needed for symbolic segment_ids")
    return int(ids.max(initial=-1)) + 1


def _segment_reduction(
    name: str, reduction: str, empty: float, data: Any, segment_ids: Any, num_segments: int | None
) -> Any:
    data, ids = operand(data), operand(segment_ids)
    n = _segments(name, ids, num_segments)
    own = bind("equal", reshape(ids, (-1, 1)), np.arange(n, dtype=np.int32))
    own = reshape(own, (*own.shape, *[1] * (data.ndim - 1)))
    wide = reshape(data, (data.shape[0], 1, *data.shape[1:]))
    return bind(reduction, bind("where", own, wide, empty), axes=[0], keepdims=0)
