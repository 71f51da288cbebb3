"""Convolution of each channel by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastconv import constraints, initializers, ops, regularizers
from fastconv.layers.convolution import BaseConv
from fastconv.layers.layer import as_float
from fastconv.utils.arguments import whole


class BaseDepthwiseConv(BaseConv):
    """Each channel convolved with ``depth_multiplier`` filters of its own."""

    def __init__(
        self,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: str = "valid",
        depth_multiplier: int = 1,
        data_format: str | None = None,
        dilation_rate: int | Sequence[int] = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        self.depth_multiplier = whole(type(self).__name__, "depth_multiplier", depth_multiplier)
        super().__init__(
            self.depth_multiplier,
            kernel_size,
            strides,
            padding,
            data_format,
            dilation_rate,
            activation=activation,
            use_bias=use_bias,
            kernel_initializer=depthwise_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=depthwise_regularizer,
            bias_regularizer=bias_regularizer,
            activity_regularizer=activity_regularizer,
            kernel_constraint=depthwise_constraint,
            bias_constraint=bias_constraint,
            **kwargs,
        )

    def _kernel_shape(self, channels: int) -> tuple[int, ...]:
        return (*self.kernel_size, channels, self.depth_multiplier)

    def build(self, input_shape: Any) -> None:
        channels = self._channels(input_shape)
        self.kernel = self.add_weight(
            name="kernel",
            shape=self._kernel_shape(channels),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self.bias = self._add_bias(channels * self.depth_multiplier)

    def call(self, inputs: Any) -> Any:
        y = ops.depthwise_conv(
            as_float(inputs),
            self.kernel,
            strides=self.strides,
            padding=self._padding(),
            data_format=self.data_format,
            dilation_rate=self.dilation_rate,
            bias=self.bias,
        )
        return self.activation(y)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        for absent in ("filters", "groups"):
            del config[absent]
        for part in ("initializer", "regularizer", "constraint"):
            del config[f"kernel_{part}"]
        return {
            **config,
            "depth_multiplier": self.depth_multiplier,
            "depthwise_initializer": initializers.serialize(self.kernel_initializer),
            "depthwise_regularizer": regularizers.serialize(self.kernel_regularizer),
            "depthwise_constraint": constraints.serialize(self.kernel_constraint),
        }


class DepthwiseConv1D(BaseDepthwiseConv):
    """Each channel of sequences convolved with ``depth_multiplier`` filters of its own.

    Kernel (size, channels, depth_multiplier), output channels * depth_multiplier.
    """

    rank = 1


class DepthwiseConv2D(BaseDepthwiseConv):
    """Each channel of images convolved with ``depth_multiplier`` filters of its own.

    Kernel (height, width, channels, depth_multiplier), output channels * depth_multiplier.
    """

    rank = 2
