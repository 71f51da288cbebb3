"""Matrix products."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.graph import Tensor, bind, operation
from fastconv.graph.primitives.common import sized
from fastconv.ops.operand import as_float


def dense(x: Any, kernel: Any, bias: Any = None) -> Any:
    """x @ kernel + bias: (..., inputs) and (inputs, units) give (..., units).

    >>> dense(np.ones((2, 3)), np.ones((3, 4)), np.zeros(4)).shape
    (2, 4)
    """
    row = [] if bias is None else [as_float(bias)]
    return bind("dense", as_float(x), as_float(kernel), *row)


@operation
def matmul(x1: Any, x2: Any) -> Any:
    """The matrix product over the last two axes; the axes before broadcast.

    >>> matmul(np.ones((5, 2, 3)), np.ones((5, 3, 4))).shape
    (5, 2, 4)
    """
    x1, x2 = as_float(x1), as_float(x2)
    if x1.ndim == 0 or x2.ndim == 0:
        raise ValueError(f"matmul: operands need an axis, got {x1.shape} and {x2.shape}")
    if x1.ndim == 1 and x2.ndim == 1:
        return dot(x1, x2)
    if x1.ndim == 1:
        row = matmul(bind("reshape", x1, shape=[1, *sized(x1.shape)]), x2)
        dims = sized(row.shape)
        return bind("reshape", row, shape=[*dims[:-2], dims[-1]])
    if x2.ndim == 1:
        column = matmul(x1, bind("reshape", x2, shape=[*sized(x2.shape), 1]))
        return bind("reshape", column, shape=sized(column.shape)[:-1])
    if x2.ndim == 2 and not (isinstance(x2, Tensor) and x2.batched):
        return bind("dense", x1, x2)
    return bind("matmul", x1, x2, transpose_a=0, transpose_b=0)


@operation
def dot(x1: Any, x2: Any) -> Any:
    """Sums of products over the last axis of x1 and the last but one of x2 (or its only one).

    >>> float(dot([1.0, 2.0], [3.0, 4.0]))
    11.0
    """
    x1, x2 = as_float(x1), as_float(x2)
    if x1.ndim == 0 or x2.ndim == 0:
        return bind("multiply", x1, x2)
    if x1.ndim == 1 and x2.ndim == 1:
        if x1.shape != x2.shape:
            raise ValueError(f"dot: vectors must have one length, got {x1.shape} and {x2.shape}")
        return bind("sum", bind("multiply", x1, x2), axes=[0], keepdims=0)
    if x2.ndim <= 2:
        return matmul(x1, x2)
    return tensordot(x1, x2, axes=([x1.ndim - 1], [x2.ndim - 2]))


@operation
def tensordot(x1: Any, x2: Any, axes: Any = 2) -> Any:
    """Sums of products over some axes of x1 and of x2.

    ``axes`` is how many of x1's last and x2's first axes to sum over, or two lists of axes.
    """
    x1, x2 = as_float(x1), as_float(x2)
    if isinstance(axes, (int, np.integer)):
        over_a, over_b = list(range(x1.ndim - axes, x1.ndim)), list(range(axes))
    else:
        over_a, over_b = (
            [int(i) % x.ndim for i in np.atleast_1d(side)]
            for x, side in zip((x1, x2), axes, strict=True)
        )
    if [x1.shape[i] for i in over_a] != [x2.shape[i] for i in over_b]:
        raise ValueError(
            f"tensordot: axes {over_a} of {x1.shape} do not match axes {over_b} of {x2.shape}"
        )
    free_a = [i for i in range(x1.ndim) if i not in over_a]
    free_b = [i for i in range(x2.ndim) if i not in over_b]
    inner = int(np.prod([x1.shape[i] for i in over_a], dtype=np.int64))
    left, right = sized(x1.shape), sized(x2.shape)
    rows = [left[i] for i in free_a]
    columns = [right[i] for i in free_b]
    x = bind("reshape", bind("transpose", x1, perm=free_a + over_a), shape=[*rows, inner])
    width = int(np.prod(columns, dtype=np.int64))
    w = bind("reshape", bind("transpose", x2, perm=over_b + free_b), shape=[inner, width])
    return bind("reshape", bind("dense", x, w), shape=[*rows, *columns])
