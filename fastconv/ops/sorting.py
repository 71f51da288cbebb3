"""Sorting, searching and counting: by NumPy, with gradients where elements only move."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastconv.graph import Tensor, bind, operation
from fastconv.graph.primitives.common import size_of, sized
from fastconv.ops.elementwise import cast, less, less_equal, logical_and, logical_not
from fastconv.ops.host import host, positions
from fastconv.ops.layout import moveaxis, reshape, take
from fastconv.ops.operand import as_float, normalize_axes, normalize_axis, offsets, operand
from fastconv.ops.reduction import sum


@operation
def take_along_axis(x: Any, indices: Any, axis: int | None = None) -> Any:
    """Elements at integer positions along an axis, others for each place of the other axes.

    >>> take_along_axis([[5.0, 6.0], [7.0, 8.0]], [[1], [0]], axis=1)
    array([[6.],
           [7.]], dtype=float32)
    """
    x, indices = operand(x), operand(indices)
    if axis is None:
        return take(reshape(x, -1), reshape(indices, -1))
    axis = normalize_axis("take_along_axis", axis, x.ndim)
    if indices.ndim != x.ndim or any(
        a != b for i, (a, b) in enumerate(zip(x.shape, indices.shape, strict=True)) if i != axis
    ):
        raise ValueError(
            f"take_along_axis: indices must have the shape {x.shape} but for axis {axis}, got "
            f"{indices.shape}"
        )
    n = x.shape[axis]
    if n is None:
        raise ValueError(f"take_along_axis: cannot take from the batch axis of shape {x.shape}")
    batched = isinstance(x, Tensor) and x.batched
    rows = x.shape[:1] if x.ndim > 1 and axis > 0 else ()
    # One flat axis, for each row of the first; the positions before and after `axis` are added up.
    start = len(rows)
    strides = [size_of(x.shape[i + 1 :]) for i in range(start, x.ndim)]
    end = size_of(x.shape[start:])
    at = offsets("take_along_axis", indices, n, strides[axis - start], end)
    for i in range(start, x.ndim):
        if i != axis:
            shape = [1] * x.ndim
            shape[i] = size_of([x.shape[i]])
            at = at + (np.arange(shape[i]) * strides[i - start]).astype(np.int32).reshape(shape)
    if not rows:
        flat = take(reshape(x, [size_of(x.shape)]), reshape(at, [size_of(at.shape)]))
        return reshape(flat, at.shape)
    first = -1 if batched else size_of(rows)
    wide = bind("reshape", x, shape=[first, size_of(x.shape[1:])])
    places = bind("reshape", at, shape=[first, size_of(at.shape[1:])])
    moved = bind("take", wide, places, axis=1, batch_dims=1)
    return bind("reshape", moved, shape=sized(at.shape) if batched else list(at.shape))


@operation
def argsort(x: Any, axis: int | None = -1) -> Any:
    """Positions that sort along an axis (None: the flattened array), int32; equals keep order.

    >>> argsort([3.0, 1.0, 2.0])
    array([1, 2, 0], dtype=int32)
    """
    x = operand(x)
    if axis is None:
        x, axis = reshape(x, -1), 0
    axis = _own_axis("argsort", x, axis)

    def run(a: Any) -> Any:
        return positions("argsort", np.argsort(a, axis=axis, kind="stable"))

    return host([x.shape], ["int32"], "argsort", run, x)[0]


@operation
def sort(x: Any, axis: int | None = -1) -> Any:
    """Sorted along an axis (None: the flattened array), smallest first, NaN last.

    >>> sort([3.0, 1.0, 2.0])
    array([1., 2., 3.], dtype=float32)
    """
    x = operand(x)
    if axis is None:
        x, axis = reshape(x, -1), 0
    return take_along_axis(x, argsort(x, axis), axis)


@operation
def top_k(x: Any, k: int, sorted: bool = True) -> tuple[Any, Any]:
    """The k largest elements along the last axis, largest first, and their positions.

    NaN counts as larger than any number; of equal elements the first comes first.

    >>> top_k([1.0, 5.0, 3.0], 2)
    (array([5., 3.], dtype=float32), array([1, 2], dtype=int32))
    """
    del sorted  # they are, in either case
    x = operand(x)
    axis = _own_axis("top_k", x, -1)
    if not 0 <= k <= x.shape[axis]:
        raise ValueError(f"top_k: k must be in 0..{x.shape[axis]} for shape {x.shape}, got {k}")

    def run(a: Any) -> Any:
        rising = np.argsort(a[..., ::-1], axis=-1, kind="stable")  # of equals the last one first
        return (a.shape[-1] - 1 - rising)[..., ::-1][..., :k]

    indices = host([(*x.shape[:-1], k)], ["int32"], "top_k", run, x)[0]
    return take_along_axis(x, indices, -1), indices


@operation
def argpartition(x: Any, kth: int, axis: int = -1) -> Any:
    """Positions that put the kth element in its sorted place, no larger ones before it."""
    x = operand(x)
    at = _own_axis("argpartition", x, axis)
    if not -x.shape[at] <= kth < x.shape[at]:
        raise ValueError(f"argpartition: kth {kth} is out of range for shape {x.shape}")
    return argsort(x, axis)


@operation
def in_top_k(targets: Any, predictions: Any, k: int) -> Any:
    """Whether the target is among the k highest scores of its row, dtype bool.

    Scores that tie with the target's do not count against it; those that are NaN do.
    """
    targets, predictions = operand(targets), as_float(predictions)
    columns = bind("reshape", targets, shape=[*sized(targets.shape), 1])
    own = take_along_axis(predictions, columns, axis=-1)
    higher = sum(cast(logical_not(less_equal(predictions, own)), "int32"), axis=-1)
    score = bind("reshape", own, shape=sized(targets.shape))
    return logical_and(less(higher, k), bind("isfinite", score))


@operation
def searchsorted(sorted_sequence: Any, values: Any, side: str = "left") -> Any:
    """Where values would be inserted in a sorted vector, int32."""
    if side not in ("left", "right"):
        raise ValueError(f"searchsorted: side must be 'left' or 'right', got {side!r}")
    line, values = operand(sorted_sequence), operand(values)
    if line.ndim != 1:
        raise ValueError(f"searchsorted: the sequence must have one axis, got {line.shape}")

    def run(a: Any, v: Any) -> Any:
        found = np.searchsorted(a, v, side=side)  # type: ignore[call-overload]
        return positions("searchsorted", found)

    return host([values.shape], ["int32"], "searchsorted", run, line, values)[0]


@operation
def digitize(x: Any, bins: Any) -> Any:
    """The number of edges in increasing ``bins`` that are at or below x, int32.

    >>> digitize([0.2, 6.4], [0.0, 1.0, 2.5])
    array([1, 3], dtype=int32)
    """
    return searchsorted(bins, x, side="right")


def bincount(x: Any, weights: Any = None, minlength: int = 0, sparse: bool = False) -> Any:
    """How often each whole number from 0 comes, or the sum of its weights; arrays only."""
    if sparse:
        raise ValueError("bincount: sparse=True is not supported")
    x = known_array("bincount", x)
    w = None if weights is None else known_array("bincount", weights)
    if x.ndim > 1:
        n = max(int(x.max()) + 1 if x.size else 0, minlength)
        return np.stack([bincount(r, None if w is None else w[i], n) for i, r in enumerate(x)])
    return np.bincount(x, w, minlength).astype(np.int32 if w is None else np.float32)


def histogram(x: Any, bins: int = 10, range: Sequence[float] | None = None) -> tuple[Any, Any]:
    """Counts (int32) in equal parts of a range, and their edges; arrays only."""
    limits = None if range is None else (float(range[0]), float(range[1]))
    counts, edges = np.histogram(known_array("histogram", x), bins, limits)
    return counts.astype(np.int32), edges.astype(np.float32)


@operation
def nonzero(x: Any) -> tuple[Any, ...]:
    """The positions of elements that are not zero, int32, for each axis; arrays only."""
    return tuple(positions("nonzero", i) for i in np.nonzero(known_array("nonzero", x)))


@operation
def unique(
    x: Any,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
    size: int | None = None,
    fill_value: Any = None,
) -> Any:
    """The different elements, smallest first; arrays only.

    >>> unique([2.0, 1.0, 2.0])
    array([1., 2.], dtype=float32)
    """
    del sorted  # they are, in either case
    made = np.unique(known_array("unique", x), return_inverse=True, return_counts=True, axis=axis)
    values, inverse, counts = made[0], positions("unique", made[1]), positions("unique", made[2])
    if size is not None:
        at = axis or 0
        missing = size - values.shape[at]
        if missing < 0:
            values, counts = values.take(np.arange(size), at), counts[:size]
        else:
            widths = [(0, missing if i == at else 0) for i in np.arange(values.ndim)]
            values = np.pad(values, widths, constant_values=fill_value or 0)
            counts = np.pad(counts, (0, missing))
    more = [*([inverse] if return_inverse else []), *([counts] if return_counts else [])]
    return (values, *more) if more else values


@operation
def median(x: Any, axis: int | Sequence[int] | None = None, keepdims: bool = False) -> Any:
    """The middle of the sorted elements over the axes; of two middle ones the mean.

    >>> float(median([3.0, 1.0, 2.0, 10.0]))
    2.5
    """
    return quantile(x, 0.5, axis, keepdims=keepdims)


@operation
def quantile(
    x: Any,
    q: Any,
    axis: int | Sequence[int] | None = None,
    method: str = "linear",
    keepdims: bool = False,
) -> Any:
    """The elements below which shares ``q`` of all lie, over the axes; NaN where one is NaN.

    ``method`` says what is between two elements: "linear", "lower", "higher", "midpoint" or
    "nearest".

    >>> quantile([0.0, 1.0, 2.0, 3.0], [0.0, 0.5, 1.0])
    array([0. , 1.5, 3. ], dtype=float32)
    """
    if method not in ("linear", "lower", "higher", "midpoint", "nearest"):
        raise ValueError(f"quantile: method {method!r} is not known")
    x = as_float(x)
    axes = normalize_axes("quantile", axis, x.ndim)
    rest = [i for i in range(x.ndim) if i not in axes]
    kept = [1 if i in axes else d for i, d in enumerate(sized(x.shape))]
    free = [sized(x.shape)[i] for i in rest]
    n = size_of([x.shape[i] for i in axes])
    if n == 0:
        raise ValueError(f"quantile: there are no elements over axes {axes} of shape {x.shape}")
    line = bind("reshape", bind("transpose", x, perm=rest + axes), shape=[*free, n])
    line = sort(line, -1)
    shares = np.asarray(q, np.float64)
    if ((shares < 0) | (shares > 1)).any():
        raise ValueError(f"quantile: q must be in [0, 1], got {q}")
    place = shares.reshape(-1) * (n - 1)
    low, high = np.floor(place), np.ceil(place)
    weight = {
        "linear": place - low,
        "lower": place * 0,
        "higher": np.ones_like(place),
        "midpoint": np.where(high > low, 0.5, 0.0),
        "nearest": np.rint(place) - low,
    }[method].astype(np.float32)
    below = bind("take", line, low.astype(np.int32), axis=line.ndim - 1)
    above = bind("take", line, high.astype(np.int32), axis=line.ndim - 1)
    found = below + (above - below) * weight
    found = bind("where", bind("isnan", line[..., -1:]), math.nan, found)
    shape = kept if keepdims else free
    if shares.ndim == 0:
        return bind("reshape", found, shape=shape)
    return reshape(moveaxis(found, -1, 0), [*shares.shape, *shape])


@operation
def percentile(
    x: Any,
    q: Any,
    axis: int | Sequence[int] | None = None,
    method: str = "linear",
    keepdims: bool = False,
) -> Any:
    """``quantile`` for shares in percent."""
    return quantile(x, np.asarray(q, np.float64) / 100.0, axis, method, keepdims)


@operation
def multi_hot(inputs: Any, num_classes: int, axis: int = -1, dtype: str | None = None) -> Any:
    """Rows of zeros with a one at each of the integers of an axis."""
    marks = bind("one_hot", operand(inputs), depth=int(num_classes))
    axis = normalize_axis("multi_hot", axis, marks.ndim - 1)
    y = bind("max", marks, axes=[axis], keepdims=0)
    return cast(y, dtype)


def _own_axis(name: str, x: Any, axis: int) -> int:
    axis = normalize_axis(name, axis, x.ndim)
    if x.shape[axis] is None:
        raise ValueError(f"{name}: the batch axis of shape {x.shape} cannot be sorted")
    return axis


def known_array(name: str, x: Any) -> Any:
    x = operand(x)
    if isinstance(x, Tensor):
        raise TypeError(
            f"{name}: the shape of the result depends on the values, which {x!r} does not have"
        )
    return x
