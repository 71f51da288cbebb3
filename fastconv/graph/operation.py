"""Functions whose calls between the layers of a model are remembered whole."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

import numpy as np

from fastconv.graph.primitive import bind, current_trace
from fastconv.graph.primitives.common import batch_of, sized
from fastconv.graph.structure import flatten, map_structure
from fastconv.graph.tensor import Tensor, Variable

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(slots=True, eq=False)
class Operation:
    """One call of a function on symbolic tensors, outside any trace."""

    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    results: Any = None


def operation(function: Callable[P, R]) -> Callable[P, R]:
    """``function``, a call of which is one step of a model, however many primitives it takes."""

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        results = function(*args, **kwargs)
        if current_trace() is not None:
            return results
        if isinstance(results, (Tensor, list, tuple)):
            results = _remembered(Operation(call, args, kwargs), results)
        variables = [x for x in (*args, *kwargs.values()) if isinstance(x, Variable)]
        return _owned(results, variables) if variables else results

    return call


def _owned(results: Any, variables: list[Variable]) -> Any:
    """``results``, copied where they are the memory of a variable, which changes in place."""

    def own(y: Any) -> Any:
        shared = isinstance(y, np.ndarray) and any(
            np.may_share_memory(y, v._data) for v in variables
        )
        return y.copy() if shared else y

    return map_structure(own, results)


def _remembered(made: Operation, results: Any) -> Any:
    """``results`` as the tensors of an operation."""
    given = [x for x in flatten((made.args, made.kwargs)) if isinstance(x, Tensor)]
    if not given or any(batch_of(x) is not None for x in given):
        return results

    def own(y: Any) -> Any:
        if not isinstance(y, Tensor):
            return y
        if y.history is not None or any(y is x for x in given):
            y = bind("reshape", y, shape=sized(y.shape))
        y.operation = made
        return y

    made.results = map_structure(own, results)
    return made.results
