"""What moves, cuts, joins and makes elements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastconv import ops
from fastconv.config import standardize_data_format
from fastconv.graph.tensor import Array, Tensor, Variable
from fastconv.ops import ones_like, reshape, squeeze, stack, tile, zeros_like


def arange(start: float, stop: float | None = None, step: float = 1, dtype: str = "int32") -> Array:
    """Numbers from ``start`` up to ``stop``."""
    return ops.arange(start, stop, step, dtype)


def batch_flatten(x: Any) -> Any:
    """One row for each example."""
    return ops.flatten(x)


def concatenate(tensors: Sequence[Any], axis: int = -1) -> Any:
    """Tensors joined along an axis."""
    return ops.concatenate(tensors, axis)


def expand_dims(x: Any, axis: int = -1) -> Any:
    """A new axis of size 1."""
    return ops.expand_dims(x, axis)


def flatten(x: Any) -> Any:
    """All elements in one axis; of a symbolic batch, one row for each example.

    Sums and means over what follows are the same either way.
    """
    batched = isinstance(x, Tensor) and x.batched
    return ops.flatten(x) if batched else ops.ravel(x)


def gather(reference: Any, indices: Any) -> Any:
    """The rows at integer positions."""
    return ops.take(reference, indices, axis=0)


def one_hot(indices: Any, num_classes: int) -> Any:
    """Rows of zeros with a one at the index."""
    return ops.one_hot(indices, num_classes)


def permute_dimensions(x: Any, pattern: Sequence[int]) -> Any:
    """The axes in another order."""
    return ops.transpose(x, pattern)


def transpose(x: Any) -> Any:
    """The axes in reverse order."""
    return ops.transpose(x)


def repeat(x: Any, n: int) -> Any:
    """Each row n times: (batch, features) gives (batch, n, features).

    >>> repeat(np.zeros((2, 3)), 4).shape
    (2, 4, 3)
    """
    return ops.repeat(ops.expand_dims(x, 1), n, axis=1)


def repeat_elements(x: Any, rep: int, axis: int) -> Any:
    """Each element ``rep`` times along an axis."""
    return ops.repeat(x, rep, axis)


def reverse(x: Any, axes: int | Sequence[int]) -> Any:
    """Elements in reverse order along axes."""
    return ops.flip(x, axes)


def spatial_2d_padding(
    x: Any,
    padding: Sequence[Sequence[int]] = ((1, 1), (1, 1)),
    data_format: str | None = None,
) -> Any:
    """Zeros around images."""
    none = (0, 0)
    rows, columns = padding
    if standardize_data_format(data_format) == "channels_first":
        return ops.pad(x, (none, none, rows, columns))
    return ops.pad(x, (none, rows, columns, none))


def ones(shape: Sequence[int], dtype: str = "float32", name: str | None = None) -> Variable:
    """A variable of ones."""
    return Variable(np.ones(shape, dtype), name=name or "ones")


def zeros(shape: Sequence[int], dtype: str = "float32", name: str | None = None) -> Variable:
    """A variable of zeros."""
    return Variable(np.zeros(shape, dtype), name=name or "zeros")


__all__ = [
    "arange",
    "batch_flatten",
    "concatenate",
    "expand_dims",
    "flatten",
    "gather",
    "one_hot",
    "ones",
    "ones_like",
    "permute_dimensions",
    "repeat",
    "repeat_elements",
    "reshape",
    "reverse",
    "spatial_2d_padding",
    "squeeze",
    "stack",
    "tile",
    "transpose",
    "zeros",
    "zeros_like",
]
