"""Which arguments a function, a class or a method takes, without calling it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from fastconv import (
    activations,
    constraints,
    initializers,
    losses,
    metrics,
    optimizers,
    regularizers,
)
from fastconv.layers import Layer
from fastconv.naming import uncounted
from fastconv.optimizers import Optimizer

# What the constructors at the root of a family take beside their named arguments.
_ROOTS: dict[type, frozenset[str]] = {
    Layer: frozenset({"input_dim", "autocast"}),
    Optimizer: frozenset({"jit_compile"}),
}
_BY_NAME: dict[str, Callable[[Any], Any]] = {
    "activation": activations.get,
    "initializer": initializers.get,
    "regularizer": regularizers.get,
    "constraint": constraints.get,
    "optimizer": optimizers.get,
    "loss": losses.get,
    "metrics": metrics.get,
}
_BY_SHAPE = {"accuracy", "acc", "crossentropy", "ce"}


def parameters(called: Any) -> tuple[list[str] | None, set[str] | None]:
    """Names of the positional parameters and of all; None where any number or name is taken."""
    try:
        known = list(inspect.signature(called).parameters.values())
    except (TypeError, ValueError):
        return None, None
    kinds = {p.kind for p in known}
    positional: list[str] | None = [
        p.name for p in known if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    ]
    if inspect.Parameter.VAR_POSITIONAL in kinds:
        positional = None
    names = {p.name for p in known if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    if inspect.Parameter.VAR_KEYWORD in kinds:
        return positional, _inherited(called, names) if isinstance(called, type) else None
    return positional, names


def _inherited(cls: type, names: set[str]) -> set[str] | None:
    """With the arguments of the classes that ``**kwargs`` leads to."""
    root = next((extra for base, extra in _ROOTS.items() if issubclass(cls, base)), None)
    if root is None:
        return None
    for base in cls.__mro__:
        if "__init__" in base.__dict__ and base is not object:
            signature = inspect.signature(base.__dict__["__init__"])
            names = names | {
                p.name
                for p in signature.parameters.values()
                if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY) and p.name != "self"
            }
    return names | root


def unknown_value(parameter: str, value: str) -> bool:
    """Whether a string names no optimizer, loss, activation ... of fastconv, or weights to
    download."""
    if parameter == "weights":
        return value == "imagenet"
    get = _BY_NAME.get(parameter.rpartition("_")[2])
    if get is None or value in _BY_SHAPE:
        return False
    try:
        with uncounted():
            get(value)
    except ValueError:
        return True
    return False
