"""Penalties on weights and activations, added to the loss."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastconv import ops
from fastconv.saving.registry import (
    deserialize_keras_object,
    get_registered_object,
    serialize_keras_object,
)


class Regularizer:
    """Base class: override ``__call__(x)``, which returns a scalar, and ``get_config``."""

    def __call__(self, x: Any) -> Any:
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        raise NotImplementedError(f"{type(self).__name__} has no get_config, needed to save it")

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Regularizer:
        return cls(**config)


class L1L2(Regularizer):
    """``l1 * sum |x| + l2 * sum x^2`` (no half)."""

    def __init__(self, l1: float | None = 0.0, l2: float | None = 0.0) -> None:
        self.l1 = _factor("l1", l1)
        self.l2 = _factor("l2", l2)

    def __call__(self, x: Any) -> Any:
        penalty: Any = None
        if self.l1:
            penalty = self.l1 * ops.sum(ops.absolute(x))
        if self.l2:
            squared = self.l2 * ops.sum(ops.square(x))
            penalty = squared if penalty is None else penalty + squared
        return 0.0 * ops.sum(x) if penalty is None else penalty

    def get_config(self) -> dict[str, Any]:
        return {"l1": self.l1, "l2": self.l2}


class L1(L1L2):
    """``l1 * sum |x|``."""

    def __init__(self, l1: float | None = 0.01) -> None:
        super().__init__(l1=0.01 if l1 is None else l1)

    def get_config(self) -> dict[str, Any]:
        return {"l1": self.l1}


class L2(L1L2):
    """``l2 * sum x^2``, no half: ``L2(0.01)`` is a weight decay of 0.02 times the learning rate."""

    def __init__(self, l2: float | None = 0.01) -> None:
        super().__init__(l2=0.01 if l2 is None else l2)

    def get_config(self) -> dict[str, Any]:
        return {"l2": self.l2}


class OrthogonalRegularizer(Regularizer):
    """``factor`` times the mean of ``|cos|`` of the angles between the rows of a matrix.

    Args:
        factor: not negative.
        mode: ``"rows"`` or ``"columns"``.

    Raises:
        ValueError: for arguments that are not of these kinds, or weights that are no matrix.
    """

    def __init__(self, factor: float = 0.01, mode: str = "rows") -> None:
        self.factor = _factor("factor", factor)
        if mode not in ("rows", "columns"):
            raise ValueError(f"a regularizer's mode must be 'rows' or 'columns', got {mode!r}")
        self.mode = mode

    def __call__(self, x: Any) -> Any:
        if len(x.shape) != 2:
            raise ValueError(f"OrthogonalRegularizer needs a matrix, got shape {tuple(x.shape)}")
        rows = x if self.mode == "rows" else ops.transpose(x, (1, 0))
        length = ops.sum(ops.square(rows), axis=1, keepdims=True)
        rows = rows * ops.rsqrt(ops.maximum(length, 1e-12))
        size = int(rows.shape[0])
        others = 1.0 - np.eye(size, dtype=np.float32)
        products = ops.absolute(ops.matmul(rows, ops.transpose(rows, (1, 0))))
        return ops.sum(products * others) * (self.factor / max(size * (size - 1), 1))

    def get_config(self) -> dict[str, Any]:
        return {"factor": self.factor, "mode": self.mode}


def _factor(name: str, value: float | None) -> float:
    value = 0.0 if value is None else value
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"a regularizer's {name} must be a number, got {value!r}")
    if not math.isfinite(value) or value < 0:
        raise ValueError(f"a regularizer's {name} must be finite and not negative, got {value!r}")
    return float(value)


l1 = L1
l2 = L2
l1_l2 = L1L2
orthogonal_regularizer = OrthogonalRegularizer
_BY_NAME: dict[str, Any] = {
    "l1": L1,
    "L1": L1,
    "l2": L2,
    "L2": L2,
    "L1L2": L1L2,
    "l1_l2": L1L2(0.01, 0.01),
    "l1l2": L1L2(0.01, 0.01),
    "orthogonal_regularizer": OrthogonalRegularizer,
    "OrthogonalRegularizer": OrthogonalRegularizer,
}


def serialize(regularizer: Regularizer) -> dict[str, Any]:
    """The config of a regularizer, as Keras writes it."""
    result: dict[str, Any] = serialize_keras_object(regularizer)
    return result


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """The regularizer of a config."""
    if isinstance(config, dict):
        config = {"module": "keras.regularizers", **config}
    return deserialize_keras_object(config, custom_objects, _BY_NAME)


def get(identifier: Any) -> Any:
    """A regularizer from a name (``"l2"`` is ``L2(.01)``), a config or a callable; None stays None.

    Raises:
        ValueError: if the name is unknown or the object is no regularizer.
    """
    if identifier is None:
        return None
    if isinstance(identifier, str):
        found = get_registered_object(identifier, None, _BY_NAME)
        if found is None:
            raise ValueError(
                f"unknown regularizer {identifier!r}; known: l1, l2, l1_l2, orthogonal_regularizer"
            )
        identifier = found() if isinstance(found, type) else found
    elif isinstance(identifier, dict):
        identifier = deserialize(identifier)
    elif isinstance(identifier, type):
        identifier = identifier()
    if not callable(identifier):
        raise ValueError(f"{identifier!r} is not a regularizer")
    return identifier
