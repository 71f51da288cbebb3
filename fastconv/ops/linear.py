"""Matrix products."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.graph import Tensor, bind
from fastconv.graph.primitives.common import sized
from fastconv.ops.operand import as_float


def dense(x: Any, kernel: Any, bias: Any = None) -> Any:
    """x @ kernel + bias: (..., inputs) and (inputs, units) give (..., units).

    >>> dense(np.ones((2, 3)), np.ones((3, 4)), np.zeros(4)).shape
    (2, 4)
    """
    row = [] if bias is None else [as_float(bias)]
    return bind("dense", as_float(x), as_float(kernel), *row)


def matmul(a: Any, b: Any) -> Any:
    """The matrix product over the last two axes; the axes before broadcast.

    >>> matmul(np.ones((5, 2, 3)), np.ones((5, 3, 4))).shape
    (5, 2, 4)
    """
    a, b = as_float(a), as_float(b)
    if a.ndim == 0 or b.ndim == 0:
        raise ValueError(f"matmul: operands need an axis, got {a.shape} and {b.shape}")
    if a.ndim == 1 and b.ndim == 1:
        return dot(a, b)
    if a.ndim == 1:
        row = matmul(bind("reshape", a, shape=[1, *sized(a.shape)]), b)
        dims = sized(row.shape)
        return bind("reshape", row, shape=[*dims[:-2], dims[-1]])
    if b.ndim == 1:
        column = matmul(a, bind("reshape", b, shape=[*sized(b.shape), 1]))
        return bind("reshape", column, shape=sized(column.shape)[:-1])
    if b.ndim == 2 and not (isinstance(b, Tensor) and b.batched):
        return bind("dense", a, b)
    return bind("matmul", a, b, transpose_a=0, transpose_b=0)


def dot(a: Any, b: Any) -> Any:
    """Sums of products over the last axis of a and the last but one of b (or its only one).

    >>> float(dot([1.0, 2.0], [3.0, 4.0]))
    11.0
    """
    a, b = as_float(a), as_float(b)
    if a.ndim == 0 or b.ndim == 0:
        return bind("multiply", a, b)
    if a.ndim == 1 and b.ndim == 1:
        if a.shape != b.shape:
            raise ValueError(f"dot: vectors must have one length, got {a.shape} and {b.shape}")
        return bind("sum", bind("multiply", a, b), axes=[0], keepdims=0)
    if b.ndim <= 2:
        return matmul(a, b)
    return tensordot(a, b, axes=([a.ndim - 1], [b.ndim - 2]))


def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    """Sums of products over some axes of a and of b.

    ``axes`` is how many of a's last and b's first axes to sum over, or two lists of axes.
    """
    a, b = as_float(a), as_float(b)
    if isinstance(axes, (int, np.integer)):
        over_a, over_b = list(range(a.ndim - axes, a.ndim)), list(range(axes))
    else:
        over_a, over_b = (
            [int(i) % x.ndim for i in np.atleast_1d(side)]
            for x, side in zip((a, b), axes, strict=True)
        )
    if [a.shape[i] for i in over_a] != [b.shape[i] for i in over_b]:
        raise ValueError(
            f"tensordot: axes {over_a} of {a.shape} do not match axes {over_b} of {b.shape}"
        )
    free_a = [i for i in range(a.ndim) if i not in over_a]
    free_b = [i for i in range(b.ndim) if i not in over_b]
    inner = int(np.prod([a.shape[i] for i in over_a], dtype=np.int64))
    left, right = sized(a.shape), sized(b.shape)
    rows = [left[i] for i in free_a]
    columns = [right[i] for i in free_b]
    x = bind("reshape", bind("transpose", a, perm=free_a + over_a), shape=[*rows, inner])
    width = int(np.prod(columns, dtype=np.int64))
    w = bind("reshape", bind("transpose", b, perm=over_b + free_b), shape=[inner, width])
    return bind("reshape", bind("dense", x, w), shape=[*rows, *columns])
