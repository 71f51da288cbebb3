"""Functions written in NumPy, and functions with gradients of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import numpy as np

from fastconv.graph import Tensor, bind
from fastconv.graph.primitives.common import is_float
from fastconv.graph.primitives.host import HostFunction
from fastconv.ops.operand import operand

Shape = Sequence[int | None]


def numpy_function(
    function: Callable[..., Any],
    inputs: Any,
    shape: Shape | None = None,
    dtype: str = "float32",
    gradient: Callable[..., Any] | None = None,
) -> Any:
    """What a function of NumPy arrays makes of the inputs, in a program or at once.

    Args:
        function: takes an array for each input and returns an array of ``shape`` and ``dtype``. In
            a program it is called at every step, on copies; an exception that it raises ends the
            step before anything after it has run.
        inputs: one tensor or a list of them.
        shape: of the result, None in front for the batch; the shape of the first input if not
            given.
        gradient: ``gradient(dy, *inputs)`` returns an array for each input (None where there is no
            gradient), or one array where there is one input. Without it no gradient flows.

    Raises:
        ValueError: if the function returns an array of another shape.

    >>> numpy_function(np.sort, [[3.0, 1.0, 2.0]], gradient=lambda dy, x: dy)
    array([1., 2., 3.], dtype=float32)
    """
    listed = inputs if isinstance(inputs, (list, tuple)) else [inputs]
    xs = [operand(x) for x in listed]
    result = tuple(xs[0].shape if shape is None else shape)
    result = tuple(None if d == -1 else d for d in result)
    name = getattr(function, "__name__", type(function).__name__)
    (y,) = host([result], [dtype], name, function, *xs)
    if gradient is None or not isinstance(y, Tensor):
        return y

    def backward(dy: Any) -> list[Any]:
        wanted = [i for i, x in enumerate(xs) if is_float(x.dtype)]

        def run(dy: Any, *arrays: Any) -> Any:
            made = gradient(dy, *arrays)
            made = made if isinstance(made, (list, tuple)) else (made,)
            if len(made) != len(arrays):
                raise ValueError(
                    f"{name}: the gradient returned {len(made)} arrays for {len(arrays)} inputs"
                )
            return tuple(np.zeros_like(arrays[i]) if made[i] is None else made[i] for i in wanted)

        shapes = [xs[i].shape for i in wanted]
        grads = host(shapes, ["float32"] * len(wanted), f"{name}'s gradient", run, dy, *xs)
        found = dict(zip(wanted, grads, strict=True))
        return [found.get(i) for i in range(len(xs))]

    return with_gradient(y, xs, backward)


def host(
    shapes: Sequence[Shape],
    dtypes: Sequence[str],
    name: str,
    function: Callable[..., Any],
    *xs: Any,
) -> tuple[Any, ...]:
    """The arrays that a function of arrays returns."""
    specs = [(tuple(shape), dtype) for shape, dtype in zip(shapes, dtypes, strict=True)]
    made: tuple[Any, ...] = bind(
        "numpy_function", *xs, function=HostFunction(function, specs, name)
    )
    return made


def positions(name: str, found: Any) -> Any:
    """Positions as int32; ValueError where one is too large for it."""
    if found.size and found.max() > np.iinfo(np.int32).max:
        raise ValueError(f"{name}: position {found.max()} is too large for int32")
    return found.astype(np.int32)


def with_gradient(y: Any, xs: Sequence[Any], gradient: Callable[[Any], Any]) -> Any:
    """y, whose gradient by the xs is what ``gradient(dy)`` returns, written with ops."""
    if not isinstance(y, Tensor):
        return y
    return bind("custom_gradient", y, *xs, gradient=gradient)


def custom_gradient(f: Callable[..., Any]) -> Callable[..., Any]:
    """A function with its own gradient.

    ``f(*args)`` returns the result and ``grad``; ``grad(dy)`` returns the gradient of each
    argument, written with ops.

    >>> @custom_gradient
    ... def clipped(x):
    ...     return np.clip(x, 0, 1), lambda dy: dy
    >>> clipped(np.array([2.0]))
    array([1.])
    """

    @wraps(f)
    def run(*args: Any) -> Any:
        xs = [operand(x) for x in args]
        y, gradient = f(*xs) if any(isinstance(x, Tensor) for x in xs) else f(*args)
        return with_gradient(y, xs, gradient)

    return run
