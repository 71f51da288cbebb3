"""Projections of weights, applied after every optimizer step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastconv import config, ops
from fastconv.saving.registry import (
    deserialize_keras_object,
    get_registered_object,
    serialize_keras_object,
    to_snake_case,
)


class Constraint:
    """Base class: override ``__call__(w)``, which returns the projected weights."""

    def __call__(self, w: Any) -> Any:
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Constraint:
        return cls(**config)


class MaxNorm(Constraint):
    """Scales down vectors along ``axis`` whose norm is above ``max_value``.

    For a Dense kernel (in, out) axis 0 takes each unit's incoming weights; for a convolution's
    (height, width, in, out) that is ``axis=[0, 1, 2]``.

    Raises:
        ValueError: if ``max_value`` is negative.
    """

    def __init__(self, max_value: float = 2, axis: int | Sequence[int] = 0) -> None:
        if not max_value >= 0:
            raise ValueError(f"MaxNorm: max_value must be >= 0, got {max_value}")
        self.max_value = max_value
        self.axis = axis

    def __call__(self, w: Any) -> Any:
        norms = _norms(w, self.axis)
        desired = ops.minimum(norms, np.float32(self.max_value))
        return w * (desired / (norms + np.float32(config.epsilon())))

    def get_config(self) -> dict[str, Any]:
        return {"max_value": self.max_value, "axis": self.axis}


class NonNeg(Constraint):
    """Sets negative weights to 0."""

    def __call__(self, w: Any) -> Any:
        return ops.maximum(w, np.float32(0))


class UnitNorm(Constraint):
    """Scales vectors along ``axis`` to norm 1."""

    def __init__(self, axis: int | Sequence[int] = 0) -> None:
        self.axis = axis

    def __call__(self, w: Any) -> Any:
        return w / (_norms(w, self.axis) + np.float32(config.epsilon()))

    def get_config(self) -> dict[str, Any]:
        return {"axis": self.axis}


class MinMaxNorm(Constraint):
    """Moves norms along ``axis`` a fraction ``rate`` of the way into [min_value, max_value].

    Raises:
        ValueError: unless 0 <= ``min_value`` <= ``max_value``.
    """

    def __init__(
        self,
        min_value: float = 0.0,
        max_value: float = 1.0,
        rate: float = 1.0,
        axis: int | Sequence[int] = 0,
    ) -> None:
        if not 0 <= min_value <= max_value:
            raise ValueError(
                "MinMaxNorm: 0 <= min_value <= max_value is needed, got "
                f"{min_value} and {max_value}"
            )
        self.min_value = min_value
        self.max_value = max_value
        self.rate = rate
        self.axis = axis

    def __call__(self, w: Any) -> Any:
        norms = _norms(w, self.axis)
        low, high = np.float32(self.min_value), np.float32(self.max_value)
        clipped = ops.minimum(ops.maximum(norms, low), high)
        desired = np.float32(self.rate) * clipped + np.float32(1 - self.rate) * norms
        return w * (desired / (norms + np.float32(config.epsilon())))

    def get_config(self) -> dict[str, Any]:
        return {
            "min_value": self.min_value,
            "max_value": self.max_value,
            "rate": self.rate,
            "axis": self.axis,
        }


def _norms(w: Any, axis: int | Sequence[int]) -> Any:
    axes = axis if isinstance(axis, int) else tuple(axis)
    return ops.sqrt(ops.sum(ops.square(w), axis=axes, keepdims=True))


max_norm = MaxNorm
non_neg = NonNeg
unit_norm = UnitNorm
min_max_norm = MinMaxNorm
_ALL: tuple[type[Constraint], ...] = (MaxNorm, NonNeg, UnitNorm, MinMaxNorm)
_BY_NAME: dict[str, Any] = {
    **{c.__name__: c for c in _ALL},
    **{to_snake_case(c.__name__): c for c in _ALL},
}


def serialize(constraint: Constraint) -> dict[str, Any]:
    """The config of a constraint, as Keras writes it."""
    result: dict[str, Any] = serialize_keras_object(constraint)
    return result


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """The constraint of a config."""
    if isinstance(config, dict):
        config = {"module": "keras.constraints", **config}
    return deserialize_keras_object(config, custom_objects, _BY_NAME)


def get(identifier: Any) -> Any:
    """A constraint from a name, a config or a callable; None stays None.

    Raises:
        ValueError: if the name is unknown or the object is no constraint.
    """
    if identifier is None:
        return None
    if isinstance(identifier, str):
        found = get_registered_object(identifier, None, _BY_NAME)
        if found is None:
            raise ValueError(
                f"unknown constraint {identifier!r}; known: max_norm, min_max_norm, non_neg, "
                "unit_norm"
            )
        identifier = found
    elif isinstance(identifier, dict):
        identifier = deserialize(identifier)
    if isinstance(identifier, type):
        identifier = identifier()
    if not callable(identifier):
        raise ValueError(f"{identifier!r} is not a constraint")
    return identifier
