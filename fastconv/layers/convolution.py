"""What convolution layers have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastconv import activations, constraints, initializers, ops, regularizers
from fastconv.config import standardize_data_format
from fastconv.graph.tensor import Variable
from fastconv.layers.configuration import parameters
from fastconv.layers.images import channel_axis, padding_name, sizes
from fastconv.layers.input_spec import InputSpec
from fastconv.layers.layer import Layer, as_float
from fastconv.utils.arguments import whole


class BaseConv(Layer):
    """A convolution over ``rank`` axes with a kernel, a bias and an activation.

    Raises:
        ValueError: if an argument is no positive whole number, or ``groups`` does not divide the
            filters or, when it is built, the input's channels.
    """

    rank: int
    causal = False  # whether padding may be "causal"

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: int | Sequence[int] = 1,
        groups: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        layer = type(self).__name__
        self.filters = whole(layer, "filters", filters)
        self.kernel_size = sizes(layer, "kernel_size", kernel_size, self.rank)
        self.strides = sizes(layer, "strides", strides, self.rank)
        self.dilation_rate = sizes(layer, "dilation_rate", dilation_rate, self.rank)
        self.groups = whole(layer, "groups", groups)
        self.padding = padding_name(layer, padding, causal=self.causal)
        self.data_format = standardize_data_format(data_format)
        if self.filters % self.groups:
            raise ValueError(
                f"{layer}: {self.filters} filters cannot be shared out to {self.groups} groups"
            )
        self.activation = activations.get(activation)
        self.use_bias = bool(use_bias)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def _channels(self, input_shape: Any) -> int:
        """The input's channels, which later inputs must have too."""
        axis = channel_axis(self.data_format)
        channels = int(input_shape[axis])
        self.input_spec = InputSpec(ndim=self.rank + 2, axes={axis: channels})
        return channels

    def _kernel_shape(self, channels: int) -> tuple[int, ...]:
        if channels % self.groups:
            raise ValueError(
                f"layer {self.name!r}: {channels} input channels cannot be shared out to "
                f"{self.groups} groups"
            )
        return (*self.kernel_size, channels // self.groups, self.filters)

    def _add_bias(self, size: int) -> Variable | None:
        if not self.use_bias:
            return None
        return self.add_weight(
            name="bias",
            shape=(size,),
            initializer=self.bias_initializer,
            regularizer=self.bias_regularizer,
            constraint=self.bias_constraint,
        )

    def build(self, input_shape: Any) -> None:
        self.kernel = self.add_weight(
            name="kernel",
            shape=self._kernel_shape(self._channels(input_shape)),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self.bias = self._add_bias(self.filters)

    def _padding(self) -> str | list[int]:
        """As ops take it: "causal" is zeros before the sequence alone."""
        if self.padding != "causal":
            return self.padding
        return [0, 0, self.dilation_rate[0] * (self.kernel_size[0] - 1), 0]

    def convolution_op(self, inputs: Any, kernel: Any, bias: Any = None) -> Any:
        """The convolution without the activation; for subclasses to change, which need not take the
        bias: it is added then."""
        return ops.conv(
            inputs,
            kernel,
            strides=self.strides,
            padding=self._padding(),
            data_format=self.data_format,
            dilation_rate=self.dilation_rate,
            bias=bias,
        )

    def call(self, inputs: Any) -> Any:
        x = as_float(inputs)
        if self.bias is None:
            y = self.convolution_op(x, self.kernel)
        elif "bias" in parameters(type(self).convolution_op):
            y = self.convolution_op(x, self.kernel, self.bias)
        else:
            first = channel_axis(self.data_format) == 1
            row = ops.reshape(self.bias, (-1, *[1] * self.rank)) if first else self.bias
            y = self.convolution_op(x, self.kernel) + row
        return self.activation(y)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "data_format": self.data_format,
            "dilation_rate": self.dilation_rate,
            "groups": self.groups,
            "activation": activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "kernel_initializer": initializers.serialize(self.kernel_initializer),
            "bias_initializer": initializers.serialize(self.bias_initializer),
            "kernel_regularizer": regularizers.serialize(self.kernel_regularizer),
            "bias_regularizer": regularizers.serialize(self.bias_regularizer),
            "activity_regularizer": regularizers.serialize(self.activity_regularizer),
            "kernel_constraint": constraints.serialize(self.kernel_constraint),
            "bias_constraint": constraints.serialize(self.bias_constraint),
        }
