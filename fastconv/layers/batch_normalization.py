"""Normalization over the batch."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv import constraints, initializers, ops, regularizers
from fastconv.layers.input_spec import InputSpec
from fastconv.layers.layer import Layer, as_float
from fastconv.utils.arguments import number


class BatchNormalization(Layer):
    """Normalizes each channel, then scales and shifts it (Ioffe and Szegedy, 2015).

    In training it uses the batch's mean and biased variance and moves the moving averages:
    ``moving = momentum * moving + (1 - momentum) * batch``. In inference, and whenever
    ``trainable`` is False, it uses the moving averages. Weights: gamma, beta, moving_mean,
    moving_variance.

    Raises:
        ValueError: for a momentum outside of [0, 1], a negative epsilon, or several axes.
    """

    def __init__(
        self,
        axis: Any = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        moving_mean_initializer: Any = "zeros",
        moving_variance_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        for unsupported in ("synchronized", "renorm", "virtual_batch_size"):
            if kwargs.pop(unsupported, None):
                raise ValueError(f"BatchNormalization: {unsupported} is not supported")
        for unused in ("fused", "renorm_clipping", "renorm_momentum"):
            kwargs.pop(unused, None)
        super().__init__(**kwargs)
        if isinstance(axis, (list, tuple)) and len(axis) == 1:
            axis = axis[0]
        if not isinstance(axis, int):
            raise ValueError(f"BatchNormalization: axis must be one number, got {axis!r}")
        self.axis: int = axis
        self.momentum = number("BatchNormalization", "momentum", momentum, 0, 1)
        self.epsilon = number("BatchNormalization", "epsilon", epsilon, 0)
        self.center = bool(center)
        self.scale = bool(scale)
        self.beta_initializer = initializers.get(beta_initializer)
        self.gamma_initializer = initializers.get(gamma_initializer)
        self.moving_mean_initializer = initializers.get(moving_mean_initializer)
        self.moving_variance_initializer = initializers.get(moving_variance_initializer)
        self.beta_regularizer = regularizers.get(beta_regularizer)
        self.gamma_regularizer = regularizers.get(gamma_regularizer)
        self.beta_constraint = constraints.get(beta_constraint)
        self.gamma_constraint = constraints.get(gamma_constraint)

    def build(self, input_shape: Any) -> None:
        rank = len(input_shape)
        if not -rank < self.axis < rank or self.axis % rank == 0:
            raise ValueError(
                f"layer {self.name!r}: axis {self.axis} is no channel axis of shape {input_shape}"
            )
        size = input_shape[self.axis]
        shape = (size,)
        self.gamma = self.beta = None
        if self.scale:
            self.gamma = self.add_weight(
                name="gamma",
                shape=shape,
                initializer=self.gamma_initializer,
                regularizer=self.gamma_regularizer,
                constraint=self.gamma_constraint,
                autocast=False,
            )
        if self.center:
            self.beta = self.add_weight(
                name="beta",
                shape=shape,
                initializer=self.beta_initializer,
                regularizer=self.beta_regularizer,
                constraint=self.beta_constraint,
                autocast=False,
            )
        self.moving_mean = self.add_weight(
            name="moving_mean",
            shape=shape,
            initializer=self.moving_mean_initializer,
            trainable=False,
            autocast=False,
        )
        self.moving_variance = self.add_weight(
            name="moving_variance",
            shape=shape,
            initializer=self.moving_variance_initializer,
            trainable=False,
            autocast=False,
        )
        self.input_spec = InputSpec(ndim=rank, axes={self.axis: size})

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        x = as_float(inputs)
        if not (training and self.trainable):
            y = ops.batch_normalization(
                x,
                self.moving_mean,
                self.moving_variance,
                axis=self.axis,
                offset=self.beta,
                scale=self.gamma,
                epsilon=self.epsilon,
            )
            return self._in_compute_dtype(y)
        axis = self.axis % len(x.shape)
        last = len(x.shape) - 1
        if axis != last:
            x = ops.moveaxis(x, axis, last)
        size = int(x.shape[last])
        gamma = np.ones(size, np.float32) if self.gamma is None else self.gamma
        beta = np.zeros(size, np.float32) if self.beta is None else self.beta
        y, mean, variance = ops.batch_norm_statistics(x, gamma, beta, epsilon=self.epsilon)
        for moving, batch in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving * self.momentum + batch * (1.0 - self.momentum))
        return y if axis == last else ops.moveaxis(y, last, axis)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "axis": self.axis,
            "momentum": self.momentum,
            "epsilon": self.epsilon,
            "center": self.center,
            "scale": self.scale,
            "beta_initializer": initializers.serialize(self.beta_initializer),
            "gamma_initializer": initializers.serialize(self.gamma_initializer),
            "moving_mean_initializer": initializers.serialize(self.moving_mean_initializer),
            "moving_variance_initializer": initializers.serialize(self.moving_variance_initializer),
            "beta_regularizer": regularizers.serialize(self.beta_regularizer),
            "gamma_regularizer": regularizers.serialize(self.gamma_regularizer),
            "beta_constraint": constraints.serialize(self.beta_constraint),
            "gamma_constraint": constraints.serialize(self.gamma_constraint),
        }
