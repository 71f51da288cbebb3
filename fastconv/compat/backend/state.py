"""Settings, variables, and what can be asked of a tensor."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np

from fastconv import ops
from fastconv.config import (
    epsilon,
    floatx,
    image_data_format,
    set_epsilon,
    set_floatx,
    set_image_data_format,
)
from fastconv.graph import eager
from fastconv.graph.tensor import Array, Shape, Tensor, Variable
from fastconv.layers import Input
from fastconv.naming import reset_names
from fastconv.ops import shape

_uids: Counter[str] = Counter()


def backend() -> str:
    """The name of what computes: ``"fastconv"``."""
    return "fastconv"


def clear_session(free_memory: bool = True) -> None:
    """Number automatic names from the start again, and forget the plans of single calls.

    Models keep what they have; their memory goes with them.
    """
    reset_names()
    _uids.clear()
    if free_memory:
        eager.forget_plans()


def get_uid(prefix: str = "") -> int:
    """1, 2, 3, ... for each prefix."""
    _uids[prefix] += 1
    return _uids[prefix]


def variable(
    value: Any, dtype: str | None = None, name: str | None = None, constraint: Any = None
) -> Variable:
    """A variable with an initial value."""
    made = Variable(value, dtype=dtype or "float32", name=name or "variable")
    made.constraint = constraint
    return made


def constant(
    value: Any, dtype: str | None = None, shape: Any = None, name: str | None = None
) -> Array:
    """An array; a single number may be repeated to a shape."""
    del name
    array = np.asarray(value, dtype or "float32")
    return array if shape is None else np.broadcast_to(array, shape).copy()


def placeholder(
    shape: Shape | None = None,
    ndim: int | None = None,
    dtype: str | None = None,
    sparse: bool = False,
    name: str | None = None,
) -> Any:
    """A symbolic input; the first dimension is the batch.

    Raises:
        ValueError: without a shape, or for a sparse one.
    """
    if shape is None or sparse:
        raise ValueError(f"placeholder needs a dense shape, got shape={shape}, ndim={ndim}")
    return Input(batch_shape=tuple(shape), dtype=dtype or "float32", name=name)


def get_value(x: Any) -> Any:
    """The value of a variable, a copy.

    >>> get_value(variable([1, 2]))
    array([1., 2.], dtype=float32)
    """
    return ops.convert_to_numpy(x)


def set_value(x: Variable, value: Any) -> None:
    """Give a variable another value, of the same shape."""
    x.assign(np.asarray(value))


def batch_get_value(tensors: Iterable[Any]) -> list[Any]:
    """The values of variables."""
    return [get_value(x) for x in tensors]


def batch_set_value(tuples: Iterable[tuple[Variable, Any]]) -> None:
    """Give variables other values: pairs of a variable and its value."""
    for x, value in tuples:
        set_value(x, value)


def eval(x: Any) -> Any:
    """The value of a variable or an array.

    Raises:
        TypeError: for a symbolic tensor, which has none; see :func:`function`.
    """
    return ops.convert_to_numpy(x)


def update(x: Variable, new_x: Any) -> Any:
    """Assign."""
    return x.assign(new_x)


def update_add(x: Variable, increment: Any) -> Any:
    """Add in place."""
    return x.assign_add(increment)


def update_sub(x: Variable, decrement: Any) -> Any:
    """Subtract in place."""
    return x.assign_sub(decrement)


def int_shape(x: Any) -> Shape:
    """The shape, with None for the batch."""
    return tuple(x.shape)


def ndim(x: Any) -> int:
    """The number of axes."""
    return len(x.shape)


def dtype(x: Any) -> str:
    """The name of the element type."""
    return str(x.dtype)


def count_params(x: Any) -> int:
    """The number of elements."""
    return int(np.prod(x.shape, dtype=np.int64))


def is_keras_tensor(x: Any) -> bool:
    """Whether a symbolic tensor comes from a layer."""
    return isinstance(x, Tensor) and x.history is not None


def identity(x: Any, name: str | None = None) -> Any:
    """The same tensor."""
    del name
    return x


def print_tensor(x: Any, message: str = "") -> Any:
    """Print an array's values, or what is known of a symbolic tensor, and return it."""
    print(message, x)
    return x


__all__ = [
    "backend",
    "batch_get_value",
    "batch_set_value",
    "clear_session",
    "constant",
    "count_params",
    "dtype",
    "epsilon",
    "eval",
    "floatx",
    "get_uid",
    "get_value",
    "identity",
    "image_data_format",
    "int_shape",
    "is_keras_tensor",
    "ndim",
    "placeholder",
    "print_tensor",
    "set_epsilon",
    "set_floatx",
    "set_image_data_format",
    "set_value",
    "shape",
    "update",
    "update_add",
    "update_sub",
    "variable",
]
