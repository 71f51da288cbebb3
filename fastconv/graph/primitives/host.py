"""Functions that Python computes, and functions with a gradient of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastconv import _core
from fastconv.graph.primitive import Node, Spec, primitive
from fastconv.graph.tensor import Array, Shape, Tensor


class HostFunction:
    """A function of NumPy arrays as a step: what it is given and what it returns.

    ``specs`` are the (shape, dtype) of its results; a shape that starts with None has a row for
    each example of the batch.
    """

    def __init__(
        self, function: Callable[..., Any], specs: Sequence[tuple[Shape, str]], name: str
    ) -> None:
        self.function = function
        self.specs = [(tuple(shape), dtype) for shape, dtype in specs]
        self.name = name
        self.core = _core.HostFunction(_filling(function, self.specs, name))

    def __repr__(self) -> str:
        return self.name

    def __call__(self, *arrays: Array) -> tuple[Array, ...]:
        specs = self.specs
        if any(a.dtype == np.float64 for a in arrays):  # as the reference computes
            specs = [(s, "float64" if d == "float32" else d) for s, d in specs]
        return _results(self.function(*arrays), specs, self.name)


def _results(made: Any, specs: Sequence[tuple[Shape, str]], name: str) -> tuple[Array, ...]:
    listed = made if isinstance(made, (tuple, list)) else (made,)
    if len(listed) != len(specs):
        raise ValueError(f"{name}: returned {len(listed)} arrays, expected {len(specs)}")
    results = []
    for value, (shape, dtype) in zip(listed, specs, strict=True):
        array = np.asarray(value)
        fits = array.ndim == len(shape) and all(
            d is None or d == n for n, d in zip(array.shape, shape, strict=True)
        )
        if not fits:
            raise ValueError(f"{name}: returned shape {array.shape}, expected {shape}")
        results.append(array.astype(dtype, copy=False))
    return tuple(results)


def _filling(
    function: Callable[..., Any], specs: Sequence[tuple[Shape, str]], name: str
) -> Callable[[tuple[Array, ...], tuple[Array, ...]], None]:
    """The function as the core calls it: on arrays that are gone when it returns."""

    def fill(inputs: tuple[Array, ...], outputs: tuple[Array, ...]) -> None:
        sized = [(out.shape, dtype) for out, (_, dtype) in zip(outputs, specs, strict=True)]
        made = _results(function(*(x.copy() for x in inputs)), sized, name)
        for out, value in zip(outputs, made, strict=True):
            out[...] = value

    return fill


def _numpy_function_rule(*_xs: Tensor, function: HostFunction) -> list[Spec]:
    return list(function.specs)


def _custom_gradient_rule(y: Tensor, *_xs: Tensor, gradient: Callable[..., Any]) -> Spec:
    del gradient
    return y.shape, y.dtype


def _custom_gradient_vjp(node: Node, cotangents: list[Tensor | None]) -> list[Tensor | None]:
    made = node.attrs["gradient"](cotangents[0])
    listed = list(made) if isinstance(made, (tuple, list)) else [made]
    inputs = node.inputs[1:]
    if len(listed) != len(inputs):
        raise ValueError(
            f"custom_gradient: the gradient returned {len(listed)} tensors for {len(inputs)} "
            "arguments"
        )
    for grad, x in zip(listed, inputs, strict=True):
        if grad is not None and grad.shape != x.shape:
            raise ValueError(
                f"custom_gradient: the gradient of an argument of shape {x.shape} has shape "
                f"{grad.shape}"
            )
    return [None, *listed]


primitive("numpy_function", _numpy_function_rule, host=True)
primitive("custom_gradient", _custom_gradient_rule, _custom_gradient_vjp)
