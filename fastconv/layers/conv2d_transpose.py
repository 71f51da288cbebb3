"""The transpose of a convolution, which enlarges images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastconv import ops
from fastconv.layers.convolution import BaseConv
from fastconv.layers.images import sizes
from fastconv.layers.layer import as_float


class Conv2DTranspose(BaseConv):
    """Enlarges images by learned filters: the gradient of a convolution as a layer.

    Kernel (height, width, filters, channels). ``"valid"`` makes (n - 1) s + max(k, s) rows of n,
    ``"same"`` n s.
    """

    rank = 2

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = (1, 1),
        padding: str = "valid",
        output_padding: int | Sequence[int] | None = None,
        data_format: str | None = None,
        dilation_rate: int | Sequence[int] = (1, 1),
        activation: Any = None,
        use_bias: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            filters,
            kernel_size,
            strides,
            padding,
            data_format,
            dilation_rate,
            activation=activation,
            use_bias=use_bias,
            **kwargs,
        )
        self.output_padding = None
        if output_padding is not None:
            self.output_padding = sizes(
                "Conv2DTranspose", "output_padding", output_padding, 2, zero=True
            )

    def _kernel_shape(self, channels: int) -> tuple[int, ...]:
        assert self.filters is not None
        return (*self.kernel_size, self.filters, channels)

    def call(self, inputs: Any) -> Any:
        y = ops.conv_transpose(
            as_float(inputs),
            self.kernel,
            strides=self.strides,
            padding=self.padding,
            output_padding=self.output_padding,
            data_format=self.data_format,
            dilation_rate=self.dilation_rate,
            bias=self.bias,
        )
        return self.activation(y)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["groups"]
        return {**config, "output_padding": self.output_padding}
