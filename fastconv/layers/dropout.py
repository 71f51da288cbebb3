"""Random layers: they act in training only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastconv import ops, random
from fastconv.config import standardize_data_format
from fastconv.layers.input_spec import InputSpec
from fastconv.layers.layer import as_float
from fastconv.layers.random_layer import RandomLayer
from fastconv.utils.arguments import number


class Dropout(RandomLayer):
    """Zeroes a fraction ``rate`` of the inputs in training, scaling the rest by 1 / (1 - rate).

    Args:
        rate: in [0, 1]; 1 zeroes everything.
        noise_shape: shape of the mask, 1 along shared dimensions, None for the input's size.
        seed: chooses the stream of random numbers; ``set_random_seed`` sets them all.
    """

    def __init__(
        self,
        rate: Any,
        noise_shape: Sequence[int | None] | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(seed=seed, **kwargs)
        self.rate = number(type(self).__name__, "rate", rate, 0, 1)
        self.noise_shape = None if noise_shape is None else tuple(noise_shape)

    def _mask_shape(self, inputs: Any) -> Sequence[int | None] | None:
        del inputs
        return self.noise_shape

    def call(self, inputs: Any, training: bool = False) -> Any:
        x = as_float(inputs)
        if not training or self.rate == 0:
            return x
        if self.rate == 1:
            return x * 0.0
        return random.dropout(x, self.rate, self._mask_shape(x), self.seed_now())

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "rate": self.rate,
            "seed": self.seed,
            "noise_shape": self.noise_shape,
        }


class _SpatialDropout(Dropout):
    def __init__(
        self,
        rate: float,
        data_format: str | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(rate, seed=seed, **kwargs)
        self.data_format = standardize_data_format(data_format)

    def _mask_shape(self, inputs: Any) -> Sequence[int | None] | None:
        shape = tuple(inputs.shape)
        inner = (1,) * (len(shape) - 2)
        if self.data_format == "channels_last":
            return (shape[0], *inner, shape[-1])
        return (shape[0], shape[1], *inner)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["noise_shape"], config["trainable"]  # Keras's constructor takes neither
        return {**config, "data_format": self.data_format}


class SpatialDropout1D(_SpatialDropout):
    """Drops whole channels of sequences (batch, steps, channels)."""

    input_spec = InputSpec(ndim=3)

    def __init__(self, rate: float, seed: int | None = None, **kwargs: Any) -> None:
        kwargs.pop("data_format", None)
        super().__init__(rate, "channels_last", seed, **kwargs)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["data_format"]
        return config


class SpatialDropout2D(_SpatialDropout):
    """Drops whole channels of images."""

    input_spec = InputSpec(ndim=4)


class GaussianNoise(RandomLayer):
    """Adds normal noise of standard deviation ``stddev`` in training."""

    def __init__(self, stddev: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(seed=seed, **kwargs)
        self.stddev = number("GaussianNoise", "stddev", stddev, 0)

    def call(self, inputs: Any, training: bool = False) -> Any:
        x = as_float(inputs)
        if not training or self.stddev == 0:
            return x
        return x + random.normal_like(x, stddev=self.stddev, seed=self.seed_now())

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "stddev": self.stddev, "seed": self.seed}


class GaussianDropout(RandomLayer):
    """Multiplies by normal noise of mean 1 and variance rate / (1 - rate) in training."""

    def __init__(self, rate: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(seed=seed, **kwargs)
        self.rate = number("GaussianDropout", "rate", rate, 0, 1, below=True)

    def call(self, inputs: Any, training: bool = False) -> Any:
        x = as_float(inputs)
        if not training or self.rate == 0:
            return x
        stddev = float((self.rate / (1 - self.rate)) ** 0.5)
        return x * random.normal_like(x, mean=1.0, stddev=stddev, seed=self.seed_now())

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "rate": self.rate, "seed": self.seed}


class AlphaDropout(Dropout):
    """Dropout that keeps mean and variance of self-normalizing nets (Klambauer et al., 2017).

    Dropped inputs get the value that SELU saturates at.
    """

    def __init__(
        self,
        rate: Any,
        noise_shape: Sequence[int | None] | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(rate, noise_shape, seed, **kwargs)

    def call(self, inputs: Any, training: bool = False) -> Any:
        x = as_float(inputs)
        if not training or self.rate in (0, 1):
            return x
        low = -1.7580993408473766  # -1.0507 * 1.6733
        ones = ops.ones_like(x)
        kept = random.dropout(ones, self.rate, self._mask_shape(x), self.seed_now())
        a = ((1 - self.rate) * (1 + self.rate * low**2)) ** -0.5
        mixed = ops.where(ops.greater(kept, 0.0), x, low)
        return a * mixed - a * low * self.rate
