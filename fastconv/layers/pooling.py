"""Pooling of images and sequences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fastconv import ops
from fastconv.config import standardize_data_format
from fastconv.layers.images import padding_name, sizes
from fastconv.layers.input_spec import InputSpec
from fastconv.layers.layer import Layer, as_float


class _Pooling(Layer):
    """Reduces each window; ``strides`` defaults to ``pool_size``.

    With ``padding="same"`` the output has ceil(n / stride) rows of n; padding never counts.
    """

    rank: int
    pool: Callable[..., Any]

    def __init__(
        self,
        pool_size: int | Sequence[int] = 2,
        strides: int | Sequence[int] | None = None,
        padding: str = "valid",
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        layer = type(self).__name__
        self.pool_size = sizes(layer, "pool_size", pool_size, self.rank)
        self.strides = (
            self.pool_size if strides is None else sizes(layer, "strides", strides, self.rank)
        )
        self.padding = padding_name(layer, padding)
        self.data_format = standardize_data_format(data_format)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def call(self, inputs: Any) -> Any:
        return type(self).pool(
            as_float(inputs), self.pool_size, self.strides, self.padding, self.data_format
        )

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "pool_size": self.pool_size,
            "padding": self.padding,
            "strides": self.strides,
            "data_format": self.data_format,
        }


class MaxPooling1D(_Pooling):
    """The maximum of each window of a sequence (batch, steps, channels)."""

    rank = 1
    pool = staticmethod(ops.max_pool)


class MaxPooling2D(_Pooling):
    """The maximum of each window of an image (batch, height, width, channels)."""

    rank = 2
    pool = staticmethod(ops.max_pool)


class AveragePooling1D(_Pooling):
    """The mean of each window of a sequence (batch, steps, channels)."""

    rank = 1
    pool = staticmethod(ops.average_pool)


class AveragePooling2D(_Pooling):
    """The mean of each window of an image, padding left out of the count."""

    rank = 2
    pool = staticmethod(ops.average_pool)


class _GlobalPooling(Layer):
    """(batch, ..., channels) to (batch, channels), or with 1s kept if ``keepdims``."""

    rank: int
    reduce: Callable[..., Any]

    def __init__(
        self, data_format: str | None = None, keepdims: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.data_format = standardize_data_format(data_format)
        self.keepdims = bool(keepdims)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def call(self, inputs: Any) -> Any:
        first = 1 if self.data_format == "channels_last" else 2
        axes = tuple(range(first, first + self.rank))
        return type(self).reduce(as_float(inputs), axis=axes, keepdims=self.keepdims)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        return {**config, "data_format": self.data_format, "keepdims": self.keepdims}


class GlobalAveragePooling1D(_GlobalPooling):
    """The mean of each channel of a sequence."""

    rank = 1
    reduce = staticmethod(ops.mean)


class GlobalAveragePooling2D(_GlobalPooling):
    """The mean of each channel of an image."""

    rank = 2
    reduce = staticmethod(ops.mean)


class GlobalMaxPooling1D(_GlobalPooling):
    """The maximum of each channel of a sequence."""

    rank = 1
    reduce = staticmethod(ops.max)


class GlobalMaxPooling2D(_GlobalPooling):
    """The maximum of each channel of an image."""

    rank = 2
    reduce = staticmethod(ops.max)


class _AdaptivePooling(Layer):
    """Windows that make ``output_size`` of any size of input."""

    rank: int
    pool: Callable[..., Any]

    def __init__(
        self, output_size: int | Sequence[int], data_format: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.output_size = sizes(type(self).__name__, "output_size", output_size, self.rank)
        self.data_format = standardize_data_format(data_format)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def call(self, inputs: Any) -> Any:
        return type(self).pool(as_float(inputs), self.output_size, self.data_format)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        return {**config, "output_size": self.output_size, "data_format": self.data_format}


class AdaptiveAveragePooling1D(_AdaptivePooling):
    """The means of so many windows of a sequence, whatever its length."""

    rank = 1
    pool = staticmethod(ops.adaptive_average_pool)


class AdaptiveAveragePooling2D(_AdaptivePooling):
    """The means of so many windows of an image, whatever its size."""

    rank = 2
    pool = staticmethod(ops.adaptive_average_pool)


class AdaptiveMaxPooling1D(_AdaptivePooling):
    """The maxima of so many windows of a sequence, whatever its length."""

    rank = 1
    pool = staticmethod(ops.adaptive_max_pool)


class AdaptiveMaxPooling2D(_AdaptivePooling):
    """The maxima of so many windows of an image, whatever its size."""

    rank = 2
    pool = staticmethod(ops.adaptive_max_pool)
