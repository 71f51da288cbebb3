"""Ways to turn, cut, join and mask that are made of those of ``layout``."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastconv.graph import Array, Tensor, bind, operation
from fastconv.graph.indexing import getitem
from fastconv.graph.primitives.common import size_of, sized
from fastconv.ops.layout import concatenate, flip, moveaxis, reshape, split, transpose
from fastconv.ops.operand import normalize_axis, operand
from fastconv.ops.reduction import sum

Shape = Sequence[int]


def ndim(x: Any) -> int:
    """The number of axes."""
    return int(operand(x).ndim)


def size(x: Any) -> Any:
    """The number of elements; symbolic where the batch is."""
    x = operand(x)
    if isinstance(x, Tensor) and x.batched:
        return bind("count", x, axes=list(range(x.ndim)))
    return size_of(x.shape)


def get_item(x: Any, key: Any) -> Any:
    """``x[key]``."""
    return getitem(operand(x), key)


@operation
def roll(x: Any, shift: int | Shape, axis: int | Shape | None = None) -> Any:
    """Elements moved along axes, those that fall out put in front (None: the flattened array).

    >>> roll([1.0, 2.0, 3.0], 1)
    array([3., 1., 2.], dtype=float32)
    """
    x = operand(x)
    if axis is None:
        return reshape(roll(reshape(x, -1), shift, 0), x.shape)
    axes = [axis] if isinstance(axis, int) else list(axis)
    shifts = [shift] * len(axes) if isinstance(shift, int) else list(shift)
    if len(axes) != len(shifts):
        raise ValueError(f"roll: {len(shifts)} shifts do not fit {len(axes)} axes")
    for a, s in zip(axes, shifts, strict=True):
        a = normalize_axis("roll", a, x.ndim)
        n = x.shape[a]
        if n is None:
            raise ValueError(f"roll: the batch axis of shape {x.shape} cannot be moved")
        if n and s % n:
            key = (slice(None),) * a
            cut = n - s % n
            end, start = getitem(x, (*key, slice(cut, n))), getitem(x, (*key, slice(0, cut)))
            x = concatenate([end, start], axis=a)
    return x


@operation
def rot90(array: Any, k: int = 1, axes: Shape = (0, 1)) -> Any:
    """Turned by k right angles in the plane of two axes."""
    x = operand(array)
    a, b = (normalize_axis("rot90", i, x.ndim) for i in axes)
    if a == b:
        raise ValueError(f"rot90: axes must differ, got {tuple(axes)}")
    perm = list(range(x.ndim))
    perm[a], perm[b] = b, a
    k %= 4
    if k == 2:
        return flip(x, (a, b))
    if k == 1:
        return bind("transpose", flip(x, b), perm=perm)
    return flip(bind("transpose", x, perm=perm), b) if k == 3 else x


@operation
def fliplr(x: Any) -> Any:
    """The second axis in reverse order."""
    return flip(x, 1)


@operation
def flipud(x: Any) -> Any:
    """The first axis in reverse order."""
    return flip(x, 0)


@operation
def append(x1: Any, x2: Any, axis: int | None = None) -> Any:
    """x2 after x1 along an axis (None: both flattened)."""
    if axis is None:
        return concatenate([reshape(x1, -1), reshape(x2, -1)])
    return concatenate([x1, x2], axis)


@operation
def hstack(xs: Sequence[Any]) -> Any:
    """Tensors side by side: joined along the second axis (the only one of vectors)."""
    xs = [reshape(x, [1]) if operand(x).ndim == 0 else operand(x) for x in xs]
    return concatenate(xs, 0 if xs[0].ndim == 1 else 1)


@operation
def vstack(xs: Sequence[Any]) -> Any:
    """Tensors one below the other: joined along the first axis."""
    return concatenate([reshape(x, (1, -1)) if operand(x).ndim < 2 else x for x in xs])


@operation
def dstack(xs: Sequence[Any]) -> Any:
    """Tensors joined along the third axis."""
    made = []
    for x in map(operand, xs):
        if x.ndim < 2:
            x = reshape(x, (1, -1))
        made.append(reshape(x, (*x.shape, 1)) if x.ndim == 2 else x)
    return concatenate(made, axis=2)


@operation
def unstack(x: Any, num: int | None = None, axis: int = 0) -> list[Any]:
    """The slices along an axis, without it."""
    x = operand(x)
    axis = normalize_axis("unstack", axis, x.ndim)
    n = x.shape[axis]
    if n is None or (num is not None and num != n):
        raise ValueError(f"unstack: axis {axis} of shape {x.shape} does not have {num} slices")
    return [getitem(x, ((slice(None),) * axis) + (i,)) for i in range(n)]


@operation
def array_split(x: Any, indices_or_sections: int | Shape, axis: int = 0) -> list[Any]:
    """``split`` into sections that may differ in size by one, the larger ones first."""
    x = operand(x)
    if isinstance(indices_or_sections, int):
        if indices_or_sections < 1:
            raise ValueError(f"array_split: cannot make {indices_or_sections} sections")
        n = size_of([x.shape[normalize_axis("array_split", axis, x.ndim)]])
        small, more = divmod(n, indices_or_sections)
        sizes = [small + 1] * more + [small] * (indices_or_sections - more)
        indices_or_sections = np.cumsum(sizes)[:-1].tolist()
    return split(x, indices_or_sections, axis)


@operation
def hsplit(x: Any, indices_or_sections: int | Shape) -> list[Any]:
    """``split`` along the second axis (the only one of a vector)."""
    return split(x, indices_or_sections, 0 if operand(x).ndim == 1 else 1)


@operation
def vsplit(x: Any, indices_or_sections: int | Shape) -> list[Any]:
    """``split`` along the first axis."""
    return split(x, indices_or_sections, 0)


@operation
def dsplit(x: Any, indices_or_sections: int | Shape) -> list[Any]:
    """``split`` along the third axis."""
    return split(x, indices_or_sections, 2)


@operation
def meshgrid(*x: Any, indexing: str = "xy") -> list[Any]:
    """The coordinates of a grid from those of its axes."""
    if indexing not in ("xy", "ij"):
        raise ValueError(f"meshgrid: indexing must be 'xy' or 'ij', got {indexing!r}")
    xs = [reshape(t, -1) for t in x]
    order = list(range(len(xs)))
    if indexing == "xy" and len(xs) > 1:
        order[0], order[1] = 1, 0
    shape = [xs[i].shape[0] for i in order]
    grids = []
    for i, t in enumerate(xs):
        dims = [1] * len(xs)
        dims[order.index(i)] = t.shape[0]
        grids.append(bind("broadcast_to", reshape(t, dims), shape=shape))
    return grids


def tri(N: int, M: int | None = None, k: int = 0, dtype: str | None = None) -> Array:
    """Ones at and below the kth diagonal."""
    return np.tri(N, M, k, dtype=dtype or "float32")


def _masked(name: str, x: Any, keep: Callable[[int, int], Array]) -> Any:
    x = operand(x)
    if x.ndim < 2 or x.shape[-2] is None:
        raise ValueError(f"{name}: needs matrices in the last two axes, got shape {x.shape}")
    zero = np.zeros((), str(x.dtype))
    return bind("where", keep(x.shape[-2], x.shape[-1]), x, zero)


@operation
def tril(x: Any, k: int = 0) -> Any:
    """Matrices with zeros above the kth diagonal."""
    return _masked("tril", x, lambda n, m: np.tri(n, m, k, dtype=bool))


@operation
def triu(x: Any, k: int = 0) -> Any:
    """Matrices with zeros below the kth diagonal."""
    return _masked("triu", x, lambda n, m: ~np.tri(n, m, k - 1, dtype=bool))


@operation
def diagonal(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """The diagonals of the matrices in two axes, as the last axis.

    >>> diagonal([[1.0, 2.0], [3.0, 4.0]])
    array([1., 4.], dtype=float32)
    """
    x = operand(x)
    a, b = (normalize_axis("diagonal", i, x.ndim) for i in (axis1, axis2))
    rest = [i for i in range(x.ndim) if i not in (a, b)]
    n, m = size_of([x.shape[a]]), size_of([x.shape[b]])
    first = max(0, -offset), max(0, offset)
    count = max(0, min(n - first[0], m - first[1]))
    at = (np.arange(count) + first[0]) * m + np.arange(count) + first[1]
    flat = bind("transpose", x, perm=[*rest, a, b])
    flat = bind("reshape", flat, shape=[*[sized(x.shape)[i] for i in rest], n * m])
    return bind("take", flat, at.astype(np.int32), axis=len(rest))


@operation
def diag(x: Any, k: int = 0) -> Any:
    """The kth diagonal of a matrix, or the matrix of a diagonal.

    >>> diag([1.0, 2.0])
    array([[1., 0.],
           [0., 2.]], dtype=float32)
    """
    x = operand(x)
    if x.ndim == 2:
        return diagonal(x, k)
    if x.ndim != 1:
        raise ValueError(f"diag: needs a vector or a matrix, got shape {x.shape}")
    n = size_of(x.shape) + abs(k)
    at = np.arange(n - abs(k))
    places = ((at + max(0, -k)) * n + at + max(0, k)).astype(np.int32)
    flat = bind("scatter_add", x, places, shape=[n * n], axis=0)
    return reshape(flat, (n, n))


@operation
def diagflat(x: Any, k: int = 0) -> Any:
    """The matrix of the flattened elements as its kth diagonal."""
    return diag(reshape(x, -1), k)


@operation
def trace(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """The sums of diagonals."""
    return sum(diagonal(x, offset, axis1, axis2), axis=-1)


@operation
def depth_to_space(x: Any, block_size: int, data_format: str = "channels_last") -> Any:
    """Channels moved into blocks of pixels: (h, w, c) gives (h b, w b, c / b^2)."""
    x = _channels_last(x, data_format)
    _, h, w, c = sized(x.shape)
    b = _block("depth_to_space", block_size)
    if c % (b * b):
        raise ValueError(f"depth_to_space: {c} channels do not divide into {b} x {b} pixels")
    y = bind("reshape", x, shape=[sized(x.shape)[0], h, w, b, b, c // (b * b)])
    y = bind("transpose", y, perm=[0, 1, 3, 2, 4, 5])
    y = bind("reshape", y, shape=[sized(x.shape)[0], h * b, w * b, c // (b * b)])
    return y if data_format == "channels_last" else moveaxis(y, -1, 1)


@operation
def space_to_depth(x: Any, block_size: int, data_format: str = "channels_last") -> Any:
    """Blocks of pixels moved into channels: (h, w, c) gives (h / b, w / b, c b^2)."""
    x = _channels_last(x, data_format)
    n, h, w, c = sized(x.shape)
    b = _block("space_to_depth", block_size)
    if h % b or w % b:
        raise ValueError(f"space_to_depth: {h} x {w} pixels do not divide into blocks of {b}")
    y = bind("reshape", x, shape=[n, h // b, b, w // b, b, c])
    y = bind("transpose", y, perm=[0, 1, 3, 2, 4, 5])
    y = bind("reshape", y, shape=[n, h // b, w // b, b * b * c])
    return y if data_format == "channels_last" else moveaxis(y, -1, 1)


def _block(name: str, size: int) -> int:
    if size < 1:
        raise ValueError(f"{name}: block_size must be at least 1, got {size}")
    return int(size)


def _channels_last(x: Any, data_format: str) -> Any:
    if data_format not in ("channels_last", "channels_first"):
        raise ValueError(
            f"data_format must be 'channels_last' or 'channels_first', got {data_format!r}"
        )
    x = operand(x)
    return x if data_format == "channels_last" else bind("transpose", x, perm=[0, 2, 3, 1])


@operation
def unravel_index(indices: Any, shape: Shape) -> tuple[Any, ...]:
    """Positions in a flattened array as positions along each axis."""
    at = operand(indices)
    parts = []
    for d in reversed(list(shape)):
        parts.append(bind("mod", at, int(d)))
        at = bind("floor_divide", at, int(d))
    return tuple(reversed(parts))


def rearrange(tensor: Any, pattern: str, **axes_lengths: int) -> Any:
    """Axes split, moved and joined as a pattern of names says: "b h w c -> b (h w) c".

    >>> rearrange(np.zeros((2, 6, 3)), "b (h w) c -> b c h w", h=2).shape
    (2, 3, 2, 3)
    """
    x = operand(tensor)
    before, arrow, after = pattern.partition("->")
    left, right = _groups(before), _groups(after)
    names = [n for g in left for n in g]
    if not arrow or len(left) != x.ndim or sorted(names) != sorted(n for g in right for n in g):
        raise ValueError(f"rearrange: pattern {pattern!r} does not fit shape {x.shape}")
    lengths = dict(axes_lengths)
    if any(n < 1 for n in lengths.values()):
        raise ValueError(f"rearrange: lengths of axes must be at least 1, got {lengths}")
    for d, group in zip(sized(x.shape), left, strict=True):
        unknown = [n for n in group if n not in lengths]
        known = math.prod(lengths[n] for n in group if n in lengths)
        if len(unknown) > 1 or (unknown and (d % known or (d == -1 and len(group) > 1))):
            raise ValueError(f"rearrange: cannot split {d} into {group}")
        if unknown:
            lengths[unknown[0]] = d // known if d != -1 else -1
    split_up = reshape(x, [lengths[n] for n in names])
    order = [n for g in right for n in g]
    moved = transpose(split_up, [names.index(n) for n in order])
    return reshape(moved, [math.prod(lengths[n] for n in g) for g in right])


def _groups(side: str) -> list[list[str]]:
    groups: list[list[str]] = []
    inside = False
    for token in side.replace("(", " ( ").replace(")", " ) ").split():
        if token == "(":
            groups.append([])
            inside = True
        elif token == ")":
            inside = False
        elif inside:
            groups[-1].append(token)
        else:
            groups.append([token])
    return groups
