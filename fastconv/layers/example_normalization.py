"""Normalization of each example by itself."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from fastconv import constraints, initializers, ops, regularizers
from fastconv.layers.input_spec import InputSpec
from fastconv.layers.layer import Layer, as_float
from fastconv.utils.arguments import number, whole


class _ExampleNormalization(Layer):
    """A scale gamma and a shift beta after a normalization."""

    def __init__(
        self,
        epsilon: float,
        center: bool,
        scale: bool,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.epsilon = number(type(self).__name__, "epsilon", epsilon, 0)
        self.center = bool(center)
        self.scale = bool(scale)
        self.beta_initializer = initializers.get(beta_initializer)
        self.gamma_initializer = initializers.get(gamma_initializer)
        self.beta_regularizer = regularizers.get(beta_regularizer)
        self.gamma_regularizer = regularizers.get(gamma_regularizer)
        self.beta_constraint = constraints.get(beta_constraint)
        self.gamma_constraint = constraints.get(gamma_constraint)

    def _add_scale_and_shift(self, shape: Sequence[int]) -> None:
        self.gamma = self.beta = None
        if self.scale:
            self.gamma = self.add_weight(
                name="gamma",
                shape=shape,
                initializer=self.gamma_initializer,
                regularizer=self.gamma_regularizer,
                constraint=self.gamma_constraint,
            )
        if self.center:
            self.beta = self.add_weight(
                name="beta",
                shape=shape,
                initializer=self.beta_initializer,
                regularizer=self.beta_regularizer,
                constraint=self.beta_constraint,
            )

    def _normalized(self, x: Any, axes: tuple[int, ...]) -> Any:
        mean, variance = ops.moments(x, axes=axes, keepdims=True)
        return (x - mean) * ops.rsqrt(variance + self.epsilon)

    def _scaled(self, x: Any, shape: Sequence[int]) -> Any:
        if self.gamma is not None:
            x = x * ops.reshape(self.gamma, shape)
        if self.beta is not None:
            x = x + ops.reshape(self.beta, shape)
        return x

    def compute_output_shape(self, input_shape: Any) -> Any:
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "epsilon": self.epsilon,
            "center": self.center,
            "scale": self.scale,
            "beta_initializer": initializers.serialize(self.beta_initializer),
            "gamma_initializer": initializers.serialize(self.gamma_initializer),
            "beta_regularizer": regularizers.serialize(self.beta_regularizer),
            "gamma_regularizer": regularizers.serialize(self.gamma_regularizer),
            "beta_constraint": constraints.serialize(self.beta_constraint),
            "gamma_constraint": constraints.serialize(self.gamma_constraint),
        }


class LayerNormalization(_ExampleNormalization):
    """Normalizes over ``axis`` of each example (Ba et al., 2016)."""

    def __init__(
        self,
        axis: int | Sequence[int] = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(epsilon, center, scale, **kwargs)
        self.axis = axis

    def _axes(self, rank: int) -> tuple[int, ...]:
        given = (self.axis,) if isinstance(self.axis, int) else tuple(self.axis)
        if any(not -rank < a < rank or a % rank == 0 for a in given):
            raise ValueError(f"layer {self.name!r}: axis {self.axis} does not fit rank {rank}")
        return tuple(sorted(a % rank for a in given))

    def build(self, input_shape: Any) -> None:
        self._add_scale_and_shift([input_shape[a] for a in self._axes(len(input_shape))])

    def call(self, inputs: Any) -> Any:
        x = as_float(inputs)
        axes = self._axes(len(x.shape))
        shape = [int(n) if a in axes else 1 for a, n in enumerate(x.shape) if a > 0]
        return self._scaled(self._normalized(x, axes), [1, *shape])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "axis": self.axis}


class GroupNormalization(_ExampleNormalization):
    """Normalizes groups of channels of each example (Wu and He, 2018).

    ``groups=-1`` makes every channel a group of its own.

    Raises:
        ValueError: when built, if the groups do not divide the channels.
    """

    def __init__(
        self,
        groups: int = 32,
        axis: int = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(epsilon, center, scale, **kwargs)
        self.groups = whole("GroupNormalization", "groups", groups, -1)
        self.axis = axis

    def build(self, input_shape: Any) -> None:
        size = input_shape[self.axis]
        groups = size if self.groups == -1 else self.groups
        if groups < 1 or size % groups:
            raise ValueError(
                f"layer {self.name!r}: {size} channels cannot be split into {self.groups} groups"
            )
        self._add_scale_and_shift([size])
        self.input_spec = InputSpec(ndim=len(input_shape), axes={self.axis: size})

    def call(self, inputs: Any) -> Any:
        x = as_float(inputs)
        rank = len(x.shape)
        axis = self.axis % rank
        if axis != rank - 1:
            x = ops.moveaxis(x, axis, rank - 1)
        rows = -1 if x.shape[0] is None else int(x.shape[0])
        size = int(x.shape[-1])
        groups = size if self.groups == -1 else self.groups
        inner = math.prod(x.shape[1:-1])
        split = ops.reshape(x, (rows, inner, groups, size // groups))
        y = ops.reshape(self._normalized(split, (1, 3)), (rows, *x.shape[1:]))
        y = self._scaled(y, (1,) * (rank - 1) + (size,))
        return y if axis == rank - 1 else ops.moveaxis(y, rank - 1, axis)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "groups": self.groups, "axis": self.axis}


class UnitNormalization(Layer):
    """Each example divided by its norm along ``axis``, which counts as at least 1e-6."""

    def __init__(self, axis: int | Sequence[int] = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axis if isinstance(axis, int) else list(axis)

    def call(self, inputs: Any) -> Any:
        x = as_float(inputs)
        total = ops.sum(ops.square(x), axis=self.axis, keepdims=True)
        return x * ops.rsqrt(ops.maximum(total, 1e-12))

    def compute_output_shape(self, input_shape: Any) -> Any:
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "axis": self.axis}


class RMSNormalization(Layer):
    """Each example divided by the root of its mean square along ``axis``, times a scale.

    Zhang and Sennrich, 2019.
    """

    def __init__(
        self, axis: int | Sequence[int] = -1, epsilon: float = 1e-6, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.axis = axis if isinstance(axis, int) else list(axis)
        self.epsilon = number("RMSNormalization", "epsilon", epsilon, 0)

    def build(self, input_shape: Any) -> None:
        axes = [self.axis] if isinstance(self.axis, int) else self.axis
        self.scale = self.add_weight(
            name="scale", shape=[input_shape[a] for a in axes], initializer="ones"
        )

    def call(self, inputs: Any) -> Any:
        return ops.rms_normalization(as_float(inputs), self.scale, self.axis, self.epsilon)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "axis": self.axis, "epsilon": self.epsilon}
