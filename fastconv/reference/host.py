"""Functions that are NumPy's already."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastconv.graph.tensor import Array


def _numpy_function(*xs: Array, function: Callable[..., Any]) -> Any:
    return function(*xs)


def _custom_gradient(y: Array, *_xs: Array, gradient: Callable[..., Any]) -> Array:
    del gradient
    return y


EVAL: dict[str, Callable[..., Any]] = {
    "numpy_function": _numpy_function,
    "custom_gradient": _custom_gradient,
}
