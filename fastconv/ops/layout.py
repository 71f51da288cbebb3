"""Functions that move, cut and join elements."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from fastconv.graph import Tensor, bind, operation
from fastconv.graph.indexing import getitem
from fastconv.graph.primitives.common import batch_of, is_float, promote, sized
from fastconv.ops.operand import (
    dtype_name,
    dtype_of,
    normalize_axes,
    normalize_axis,
    operand,
    resolve_shape,
)


def shape(x: Any) -> tuple[Any, ...]:
    """The shape; the batch size of a symbolic tensor is a symbolic scalar.

    >>> shape(np.zeros((2, 3)))
    (2, 3)
    """
    x = operand(x)
    if isinstance(x, Tensor) and x.batched:
        return (bind("count", x, axes=[0]), *x.shape[1:])
    return tuple(x.shape)


@operation
def reshape(x: Any, newshape: int | Sequence[Any]) -> Any:
    """The same elements in another shape; one dimension may be -1.

    For a symbolic tensor with a batch the first dimension is -1 (or ``ops.shape(x)[0]``) and
    stays the batch; a second -1 is then allowed.

    >>> reshape(np.arange(6), (2, -1)).shape
    (2, 3)
    """
    x = operand(x)
    dims = [newshape] if isinstance(newshape, (int, np.integer)) else list(newshape)
    batched = isinstance(x, Tensor) and x.batched
    dims = [-1 if d is None or batch_of(d) is not None else int(d) for d in dims]
    start = 1 if batched else 0
    if batched and dims[:1] != [-1]:
        raise ValueError(
            f"reshape: the batch must stay the first axis (-1), got {tuple(dims)} for {x.shape}"
        )
    total = math.prod(x.shape[start:])
    if batched and len(dims) == 1 and total != 1:
        raise ValueError(
            f"reshape: the batch of {x.shape} cannot be joined with other axes; ops.flatten keeps "
            "a row for each example, and sums over all axes need no reshape"
        )
    if -1 in dims[start:]:
        at = dims.index(-1, start)
        known = math.prod(d for i, d in enumerate(dims) if i >= start and i != at)
        if dims.count(-1) > 1 + start or known == 0 or total % known:
            raise ValueError(f"reshape: cannot turn shape {x.shape} into {tuple(dims)}")
        dims[at] = total // known
    return bind("reshape", x, shape=dims)


@operation
def transpose(x: Any, axes: Sequence[int] | None = None) -> Any:
    """The axes in another order; reversed where none is given."""
    x = operand(x)
    order = range(x.ndim)[::-1] if axes is None else axes
    perm = [normalize_axis("transpose", a, x.ndim) for a in order]
    return bind("transpose", x, perm=perm)


@operation
def moveaxis(x: Any, source: int | Sequence[int], destination: int | Sequence[int]) -> Any:
    """Axes moved to other places; the rest keep their order.

    >>> moveaxis(np.zeros((2, 3, 4)), (0, 1), (2, 1)).shape
    (4, 3, 2)

    Raises:
        ValueError: if the axes are not as many as the places, or one comes twice.
    """
    x = operand(x)
    moved = [normalize_axis("moveaxis", i, x.ndim) for i in np.atleast_1d(source).tolist()]
    places = [normalize_axis("moveaxis", i, x.ndim) for i in np.atleast_1d(destination).tolist()]
    if not len(moved) == len(places) == len(set(moved)) == len(set(places)):
        raise ValueError(
            "moveaxis: source and destination must be as many different axes, got "
            f"{source} and {destination}"
        )
    order = [i for i in range(x.ndim) if i not in moved]
    for place, axis in sorted(zip(places, moved, strict=True)):
        order.insert(place, axis)
    return bind("transpose", x, perm=order)


@operation
def swapaxes(x: Any, axis1: int, axis2: int) -> Any:
    """Two axes exchanged."""
    x = operand(x)
    a, b = (normalize_axis("swapaxes", i, x.ndim) for i in (axis1, axis2))
    perm = list(range(x.ndim))
    perm[a], perm[b] = b, a
    return bind("transpose", x, perm=perm)


@operation
def expand_dims(x: Any, axis: int | Sequence[int]) -> Any:
    """A new axis of size 1 at a place of the result, or several.

    >>> expand_dims(np.zeros((2, 3)), -1).shape
    (2, 3, 1)
    """
    x = operand(x)
    count = 1 if isinstance(axis, (int, np.integer)) else len(axis)
    axes = normalize_axes("expand_dims", axis, x.ndim + count)
    if 0 in axes and x.shape[:1] == (None,):
        raise ValueError(f"expand_dims: the batch must stay the first axis of shape {x.shape}")
    dims = list(sized(x.shape))
    for place in axes:
        dims.insert(place, 1)
    return bind("reshape", x, shape=dims)


@operation
def squeeze(x: Any, axis: int | Sequence[int] | None = None) -> Any:
    """Without axes of size 1: those named, or all."""
    x = operand(x)
    if axis is None:
        axes = [i for i, d in enumerate(x.shape) if d == 1]
    else:
        axes = normalize_axes("squeeze", axis, x.ndim)
    if any(x.shape[a] != 1 for a in axes):
        raise ValueError(f"squeeze: axes {axes} of shape {x.shape} must have size 1")
    return bind("reshape", x, shape=[d for i, d in enumerate(sized(x.shape)) if i not in axes])


@operation
def ravel(x: Any) -> Any:
    """All elements in one axis (arrays only: a batch keeps its axis, see ``flatten``)."""
    return reshape(x, -1)


def flatten(x: Any) -> Any:
    """One row for each example: (batch, ...) -> (batch, features)."""
    x = operand(x)
    first = sized(x.shape)[:1]
    return bind("reshape", x, shape=[*first, math.prod(x.shape[1:])])


@operation
def concatenate(xs: Sequence[Any], axis: int = 0) -> Any:
    """Tensors joined along an axis; every other axis agrees. Of several dtypes the result has that
    of arithmetic between them.

    >>> concatenate([np.zeros((2, 3)), np.ones((2, 1))], axis=1).shape
    (2, 4)
    """
    xs = [operand(x) for x in xs]
    if not xs:
        raise ValueError("concatenate: needs at least one tensor")
    if len({dtype_of(x) for x in xs}) > 1:
        common = promote(*map(dtype_of, xs))
        xs = [x if dtype_of(x) == common else bind("cast", x, dtype=common) for x in xs]
    return bind("concatenate", *xs, axis=normalize_axis("concatenate", axis, xs[0].ndim))


@operation
def stack(x: Sequence[Any], axis: int = 0) -> Any:
    """Tensors of one shape joined along a new axis."""
    return concatenate([expand_dims(t, axis) for t in x], axis)


@operation
def split(x: Any, indices_or_sections: int | Sequence[int], axis: int = 0) -> list[Any]:
    """A tensor cut along an axis, into equal sections or at the given positions.

    >>> [part.shape for part in split(np.zeros((6, 2)), 3)]
    [(2, 2), (2, 2), (2, 2)]
    """
    x = operand(x)
    axis = normalize_axis("split", axis, x.ndim)
    n = x.shape[axis]
    if n is None:
        raise ValueError(f"split: the batch axis of shape {x.shape} cannot be cut")
    if isinstance(indices_or_sections, (int, np.integer)):
        sections = int(indices_or_sections)
        if sections < 1 or n % sections:
            raise ValueError(f"split: axis of size {n} does not divide into {sections} sections")
        cuts = list(range(0, n + 1, n // sections)) if n else [0] * (sections + 1)
    else:
        cuts = [0, *(int(i) for i in indices_or_sections), n]
    key = (np.s_[:],) * axis
    return [getitem(x, (*key, np.s_[a:b])) for a, b in pairwise(cuts)]


@operation
def slice(inputs: Any, start_indices: Sequence[int], shape: Sequence[int]) -> Any:
    """The box of ``shape`` that starts at ``start_indices``; -1 takes the batch axis whole."""
    inputs = operand(inputs)
    if not len(start_indices) == len(shape) == inputs.ndim:
        raise ValueError(f"slice: needs {inputs.ndim} starts and sizes for shape {inputs.shape}")
    stops = [-1 if n == -1 else s + n for s, n in zip(start_indices, shape, strict=True)]
    for axis, d in enumerate(inputs.shape):
        if d is not None and stops[axis] == -1:
            stops[axis] = d
    return bind("slice", inputs, starts=list(start_indices), stops=stops, steps=[1] * inputs.ndim)


@operation
def pad(
    x: Any, pad_width: Any, mode: str = "constant", constant_values: float | None = None
) -> Any:
    """Elements added before and after along each axis.

    ``pad_width`` is ``((before, after), ...)`` for each axis, one pair, or one number. ``mode`` is
    "constant" (0 unless ``constant_values`` is given), "reflect" (the border not repeated),
    "symmetric" (repeated) or "edge".

    >>> pad([1.0, 2.0], (1, 2))
    array([0., 1., 2., 0., 0.], dtype=float32)
    """
    x = operand(x)
    widths = np.broadcast_to(np.asarray(pad_width, np.int64), (x.ndim, 2))
    if mode == "constant":
        value = 0.0 if constant_values is None else float(constant_values)
        pads = [int(p) for p in widths.ravel()]
        return bind("pad", x, pads=pads, interior=[0] * x.ndim, value=value)
    if constant_values is not None:
        raise ValueError(f"pad: constant_values goes with mode 'constant', got mode {mode!r}")
    if mode not in ("reflect", "symmetric", "edge", "wrap", "circular"):
        raise ValueError(
            "pad: mode must be 'constant', 'reflect', 'symmetric', 'edge', 'wrap' or 'circular', "
            f"got {mode!r}"
        )
    for axis, (before, after) in enumerate(widths):
        if before or after:
            if x.shape[axis] is None:
                raise ValueError(f"pad: the batch axis of shape {x.shape} cannot be padded")
            positions = _border(x.shape[axis], int(before), int(after), mode)
            x = bind("take", x, positions, axis=axis)
    return x


def _border(size: int, before: int, after: int, mode: str) -> Any:
    """The positions along an axis that padding by repetition reads."""
    at = np.arange(-before, size + after)
    if mode in ("wrap", "circular"):
        return (at % size).astype(np.int32)
    if mode == "edge" or size == 1:
        return np.clip(at, 0, size - 1).astype(np.int32)
    period = 2 * size if mode == "symmetric" else 2 * size - 2
    at %= period
    back = period - at - (1 if mode == "symmetric" else 0)
    return np.where(at < size, at, back).astype(np.int32)


@operation
def broadcast_to(x: Any, shape: Sequence[Any]) -> Any:
    """x repeated to a shape, by NumPy's rules."""
    x = operand(x)
    if isinstance(x, Tensor) and x.batched and len(shape) == x.ndim and shape[0] in (None, -1):
        dims, like = [-1, *resolve_shape("broadcast_to", shape[1:])[0]], None
    else:
        dims, like = resolve_shape("broadcast_to", shape)
    return bind("broadcast_to", x, *([] if like is None else [like]), shape=dims)


@operation
def flip(x: Any, axis: int | Sequence[int] | None = None) -> Any:
    """Elements in reverse order along the axes (None: all)."""
    x = operand(x)
    return bind("flip", x, axes=normalize_axes("flip", axis, x.ndim))


@operation
def take(x: Any, indices: Any, axis: int | None = None) -> Any:
    """The elements at integer positions along an axis (None: of the flattened array).

    >>> take(np.array([[1.0, 2.0], [3.0, 4.0]]), [1, 0], axis=1)
    array([[2., 1.],
           [4., 3.]], dtype=float32)

    An index out of range is an ``IndexError`` where it is known; NaN, if a model computes it.
    """
    x = operand(x)
    if axis is None:
        x, axis = ravel(x), 0
    axis = normalize_axis("take", axis, x.ndim)
    places, size = operand(indices), x.shape[axis]
    if isinstance(places, np.ndarray) and places.size and size is not None:
        low, high = places.min(), places.max()
        if low < -size or high >= size:
            wrong = low if low < -size else high
            raise IndexError(f"take: index {wrong} is out of range for an axis of size {size}")
    return bind("take", x, places, axis=axis)


@operation
def one_hot(x: Any, num_classes: int, axis: int = -1, dtype: str | None = None) -> Any:
    """Rows of zeros with a one at the index; all zeros where it is out of range.

    >>> one_hot([0, 2], 3)
    array([[1., 0., 0.],
           [0., 0., 1.]], dtype=float32)
    """
    x = operand(x)
    if is_float(dtype_of(x)):
        x = bind("cast", x, dtype="int32")
    result = bind("one_hot", x, depth=int(num_classes))
    if dtype_name(dtype) != "float32":
        result = bind("cast", result, dtype=dtype_name(dtype))
    axis = normalize_axis("one_hot", axis, x.ndim + 1)
    return result if axis == x.ndim else moveaxis(result, -1, axis)


@operation
def repeat(x: Any, repeats: int, axis: int | None = None) -> Any:
    """Each element repeated along an axis (None: of the flattened array).

    >>> repeat([1.0, 2.0], 2)
    array([1., 1., 2., 2.], dtype=float32)
    """
    x = operand(x)
    if axis is None:
        x, axis = ravel(x), 0
    counts = [1] * x.ndim
    counts[normalize_axis("repeat", axis, x.ndim)] = repeats
    return _spread("repeat", x, counts, inner=True)


@operation
def tile(x: Any, repeats: int | Sequence[int]) -> Any:
    """The whole tensor repeated along each axis.

    >>> tile([1.0, 2.0], 2)
    array([1., 2., 1., 2.], dtype=float32)
    """
    x = operand(x)
    counts = list(repeats) if isinstance(repeats, Sequence | np.ndarray) else [repeats]
    counts = [1] * (x.ndim - len(counts)) + counts
    while x.ndim < len(counts):
        x = expand_dims(x, 0)
    return _spread("tile", x, counts, inner=False)


def _spread(name: str, x: Any, counts: Sequence[Any], *, inner: bool) -> Any:
    """So many copies along each axis: of each element (inner) or of the whole.

    In one go, so that a result that does not fit is refused before a part of it is made. The first
    count may be the batch size of a symbolic tensor: a row for each example.
    """
    like = batch_of(counts[0]) if counts else None
    if like is not None:
        if x.shape[0] != 1:
            raise ValueError(
                f"{name}: only one row can be repeated for each example, got {x.shape}"
            )
        rows = _spread(name, x, [1, *counts[1:]], inner=inner)
        return bind("broadcast_to", rows, like, shape=[-1, *rows.shape[1:]])
    for n in counts:
        if not isinstance(n, (int, float, np.integer, np.floating)) or int(n) != n:
            raise ValueError(f"{name}: repeats must be whole numbers, got {list(counts)}")
    counts = [int(n) for n in counts]
    narrow, wide, result = list[int](), list[int](), list[int]()
    for size, n in zip(sized(x.shape), counts, strict=True):
        if n < 0:
            raise ValueError(f"cannot repeat {n} times")
        if n != 1 and size == -1:
            raise ValueError(f"cannot repeat the batch axis of shape {x.shape}")
        copies = [] if n == 1 else [(1, n)]
        for before, after in [(size, size), *copies] if inner else [*copies, (size, size)]:
            narrow.append(before)
            wide.append(after)
        result.append(size * n)
    if narrow == result:
        return x
    spread = bind("broadcast_to", bind("reshape", x, shape=narrow), shape=wide)
    return bind("reshape", spread, shape=result)
