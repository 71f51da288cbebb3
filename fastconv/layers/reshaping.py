"""Layers that move elements about: flatten, reshape, permute, pad, crop, repeat."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from fastconv import ops
from fastconv.config import standardize_data_format
from fastconv.layers.images import channels_last, restored, sizes
from fastconv.layers.input_spec import InputSpec
from fastconv.layers.layer import Layer
from fastconv.ops.image import resize
from fastconv.utils.arguments import is_whole

Pairs = tuple[tuple[int, int], tuple[int, int]]


class Flatten(Layer):
    """(batch, ...) to (batch, product of the rest).

    With ``data_format="channels_first"`` the channels are moved last before.
    """

    input_spec = InputSpec(min_ndim=1)

    def __init__(self, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format = standardize_data_format(data_format)

    def call(self, inputs: Any) -> Any:
        x = inputs
        if self.data_format == "channels_first" and len(x.shape) > 2:
            x = channels_last(x, "channels_first")
        return ops.reshape(x, (_rows(x), math.prod(x.shape[1:])))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "data_format": self.data_format}


class Reshape(Layer):
    """(batch, ...) to (batch, *target_shape); one dimension may be -1.

    Raises:
        ValueError: if the sizes do not fit.
    """

    def __init__(self, target_shape: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        target = tuple(target_shape) if isinstance(target_shape, Iterable) else (target_shape,)
        if not all(is_whole(d) and (d == -1 or d > 0) for d in target) or target.count(-1) > 1:
            raise ValueError(
                "Reshape: target_shape must be positive whole numbers, of which one may be -1, got "
                f"{target_shape!r}"
            )
        self.target_shape = tuple(int(d) for d in target)

    def call(self, inputs: Any) -> Any:
        size = math.prod(inputs.shape[1:])
        known = math.prod(d for d in self.target_shape if d != -1)
        if size != known and (-1 not in self.target_shape or size % known):
            raise ValueError(
                f"cannot reshape examples of shape {tuple(inputs.shape[1:])} ({size} elements) to "
                f"{self.target_shape}"
            )
        target = tuple(size // known if d == -1 else d for d in self.target_shape)
        return ops.reshape(inputs, (_rows(inputs), *target))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "target_shape": self.target_shape}


class Permute(Layer):
    """Reorders the dimensions of an example; ``dims`` counts from 1, the batch stays first."""

    def __init__(self, dims: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        given = tuple(dims) if isinstance(dims, Iterable) else (dims,)
        if not all(map(is_whole, given)) or sorted(given) != list(range(1, len(given) + 1)):
            raise ValueError(f"Permute: dims must be a permutation of 1, 2, ..., got {dims!r}")
        self.dims = tuple(int(d) for d in given)
        self.input_spec = InputSpec(ndim=len(self.dims) + 1)

    def call(self, inputs: Any) -> Any:
        return ops.transpose(inputs, (0, *self.dims))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "dims": self.dims}


class RepeatVector(Layer):
    """(batch, features) to (batch, n, features)."""

    input_spec = InputSpec(ndim=2)

    def __init__(self, n: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if isinstance(n, bool) or not isinstance(n, int) or n < 1:
            raise ValueError(f"RepeatVector: n must be a positive integer, got {n!r}")
        self.n: int = n

    def call(self, inputs: Any) -> Any:
        return ops.repeat(ops.expand_dims(inputs, 1), self.n, axis=1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "n": self.n}


class ZeroPadding2D(Layer):
    """Rows and columns of zeros around images.

    Args:
        padding: one number, (vertical, horizontal), or ((top, bottom), (left, right)).
        data_format: ``"channels_last"`` or ``"channels_first"``; None means the configured format.
    """

    input_spec = InputSpec(ndim=4)

    def __init__(
        self, padding: Any = (1, 1), data_format: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.padding = _pairs("ZeroPadding2D", "padding", padding)
        self.data_format = standardize_data_format(data_format)

    def call(self, inputs: Any) -> Any:
        around = (0, 0)
        widths = (around, *self.padding, around)
        if self.data_format == "channels_first":
            widths = (around, around, *self.padding)
        return ops.pad(inputs, widths)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        return {**config, "padding": self.padding, "data_format": self.data_format}


class ZeroPadding1D(Layer):
    """Steps of zeros around sequences (batch, steps, channels).

    Args:
        padding: one number, or (before, after).
        data_format: ``"channels_last"`` or ``"channels_first"``; None means the configured format.
    """

    input_spec = InputSpec(ndim=3)

    def __init__(
        self, padding: int | Sequence[int] = 1, data_format: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.padding = sizes("ZeroPadding1D", "padding", padding, 2, zero=True)
        self.data_format = standardize_data_format(data_format)

    def call(self, inputs: Any) -> Any:
        around = (0, 0)
        if self.data_format == "channels_first":
            return ops.pad(inputs, (around, around, self.padding))
        return ops.pad(inputs, (around, self.padding, around))

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        return {**config, "padding": self.padding, "data_format": self.data_format}


class Cropping1D(Layer):
    """Removes steps at the ends of sequences; arguments as in ``ZeroPadding1D``."""

    input_spec = InputSpec(ndim=3)

    def __init__(self, cropping: int | Sequence[int] = (1, 1), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.cropping = sizes("Cropping1D", "cropping", cropping, 2, zero=True)

    def call(self, inputs: Any) -> Any:
        before, after = self.cropping
        if before + after >= inputs.shape[1]:
            raise ValueError(f"cropping {self.cropping} leaves nothing of {inputs.shape}")
        return inputs[:, before : inputs.shape[1] - after]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "cropping": self.cropping}


class Cropping2D(Layer):
    """Removes rows and columns at the edges of images; arguments as in ``ZeroPadding2D``."""

    input_spec = InputSpec(ndim=4)

    def __init__(
        self, cropping: Any = ((0, 0), (0, 0)), data_format: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.cropping = _pairs("Cropping2D", "cropping", cropping)
        self.data_format = standardize_data_format(data_format)

    def call(self, inputs: Any) -> Any:
        first = 1 if self.data_format == "channels_last" else 2
        index: list[Any] = [slice(None)] * 4
        for axis, (before, after) in enumerate(self.cropping, first):
            size = inputs.shape[axis]
            if before + after >= size:
                raise ValueError(f"cropping {self.cropping} leaves nothing of {inputs.shape}")
            index[axis] = slice(before, size - after)
        return inputs[tuple(index)]

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        return {**config, "cropping": self.cropping, "data_format": self.data_format}


class UpSampling1D(Layer):
    """Repeats each step of sequences ``size`` times."""

    input_spec = InputSpec(ndim=3)

    def __init__(self, size: int = 2, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        (self.size,) = sizes("UpSampling1D", "size", size, 1)

    def call(self, inputs: Any) -> Any:
        return ops.repeat(inputs, self.size, axis=1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "size": self.size}


class UpSampling2D(Layer):
    """Images ``size`` times as large, by repetition or interpolation.

    Args:
        size: factors of the height and the width.
        data_format: ``"channels_last"`` or ``"channels_first"``; None means the configured format.
        interpolation: ``"nearest"``, ``"bilinear"`` or ``"bicubic"``.

    Raises:
        ValueError: for arguments that are not of these kinds.
    """

    input_spec = InputSpec(ndim=4)

    def __init__(
        self,
        size: int | Sequence[int] = (2, 2),
        data_format: str | None = None,
        interpolation: str = "nearest",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if interpolation not in ("nearest", "bilinear", "bicubic"):
            raise ValueError(
                "UpSampling2D: interpolation must be 'nearest', 'bilinear' or 'bicubic', got "
                f"{interpolation!r}"
            )
        self.size = sizes("UpSampling2D", "size", size, 2)
        self.data_format = standardize_data_format(data_format)
        self.interpolation = interpolation

    def call(self, inputs: Any) -> Any:
        x = channels_last(inputs, self.data_format)
        sy, sx = self.size
        if self.interpolation != "nearest":
            _, height, width, _ = x.shape
            y = resize(
                x, (height * sy, width * sx), self.interpolation, data_format="channels_last"
            )
            return restored(y, self.data_format)
        x = ops.repeat(ops.repeat(x, sy, axis=1), sx, axis=2)
        return restored(x, self.data_format)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "size": self.size,
            "interpolation": self.interpolation,
            "data_format": self.data_format,
        }


def _rows(x: Any) -> int:
    """The batch dimension of a reshape's target: -1 where it is symbolic."""
    return -1 if x.shape[0] is None else int(x.shape[0])


def _pairs(layer: str, argument: str, value: Any) -> Pairs:
    if isinstance(value, int) or (
        isinstance(value, Sequence) and all(isinstance(v, int) for v in value)
    ):
        y, x = sizes(layer, argument, value, 2, zero=True)
        return (y, y), (x, x)
    if not hasattr(value, "__len__") or len(value) != 2:
        raise ValueError(
            f"{layer}: {argument} must be a number, two numbers or two pairs, got {value!r}"
        )
    top, bottom = sizes(layer, argument, value[0], 2, zero=True)
    left, right = sizes(layer, argument, value[1], 2, zero=True)
    return (top, bottom), (left, right)
