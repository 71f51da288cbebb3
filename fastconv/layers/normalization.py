"""Normalization by statistics of the data, known or noted before training."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from fastconv import config, ops
from fastconv.layers.layer import Layer, as_float


class Normalization(Layer):
    """``(x - mean) / sqrt(variance)``, or the inverse of it.

    Mean and variance are given, or noted from data by :meth:`adapt`; training does not change them.

    Args:
        axis: the axes that have a mean of their own for each index; None for one mean of all.
        mean, variance: known values that fit the kept axes.
        invert: ``x * sqrt(variance) + mean`` instead.

    Raises:
        ValueError: if only one of mean and variance is given, or they do not fit.
    """

    def __init__(
        self,
        axis: Any = -1,
        mean: Any = None,
        variance: Any = None,
        invert: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if (mean is None) != (variance is None):
            raise ValueError("Normalization: mean and variance must be given together")
        if np.shape(mean) != np.shape(variance):
            raise ValueError(
                f"Normalization: mean has shape {np.shape(mean)}, variance {np.shape(variance)}"
            )
        self.axis = () if axis is None else (axis,) if isinstance(axis, int) else tuple(axis)
        self.input_mean = mean
        self.input_variance = variance
        self.invert = invert

    def build(self, input_shape: Any) -> None:
        rank = len(input_shape)
        if any(not -rank <= a < rank for a in self.axis):
            raise ValueError(f"Normalization: axis {self.axis} does not fit {tuple(input_shape)}")
        keep = sorted(a % rank for a in self.axis)
        if any(input_shape[a] is None for a in keep):
            raise ValueError(
                f"Normalization: the kept axes {keep} of {tuple(input_shape)} must have a size"
            )
        self._reduced = tuple(a for a in range(rank) if a not in keep)
        self._broadcast = [input_shape[a] if a in keep else 1 for a in range(rank)]
        shape = tuple(input_shape[a] for a in keep)
        if self.input_mean is None:
            self.adapt_mean = self.add_weight(shape, "zeros", trainable=False, name="mean")
            self.adapt_variance = self.add_weight(shape, "ones", trainable=False, name="variance")
            self.count = self.add_weight((), "zeros", dtype="int32", trainable=False, name="count")
            return
        try:
            self._known = [
                np.broadcast_to(np.asarray(v, np.float32), shape).reshape(self._broadcast)
                for v in (self.input_mean, self.input_variance)
            ]
        except ValueError as error:
            raise ValueError(
                f"Normalization: mean of shape {np.shape(self.input_mean)} does not fit the kept "
                f"axes, of shape {shape}"
            ) from error

    def adapt(self, data: Any) -> None:
        """Note the mean and the variance of an array, or of batches of (x, ...) or x.

        Raises:
            ValueError: without data, or if its shape is not the one the layer was built for, or
                if mean and variance were given.
        """
        if self.input_mean is not None:
            raise ValueError("Normalization.adapt: mean and variance were given")
        batches = [data] if hasattr(data, "__array__") else _batches(data)
        count, mean, deviation = 0, np.zeros(()), np.zeros(())
        for batch in batches:
            x = np.asarray(batch, np.float64)
            if not self.built:
                self.build((None, *x.shape[1:]))
            if [1 if a in self._reduced else n for a, n in enumerate(x.shape)] != self._broadcast:
                raise ValueError(
                    f"Normalization.adapt: data of shape {x.shape} does not fit the shape "
                    f"{self._build_shape} that the layer was built for"
                )
            n = int(np.prod([x.shape[a] for a in self._reduced]))
            here = x.mean(axis=self._reduced)
            total = count + n
            # Chan, Golub and LeVeque's rule for the squares of two parts together.
            deviation = (
                deviation + x.var(axis=self._reduced) * n + (here - mean) ** 2 * (count * n / total)
            )
            mean = mean + (here - mean) * (n / total)
            count = total
        if count == 0:
            raise ValueError("Normalization.adapt: there is no data")
        self.adapt_mean.assign(mean.astype(np.float32))
        self.adapt_variance.assign((deviation / count).astype(np.float32))

    @property
    def mean(self) -> Any:
        """The mean, with an axis of size 1 for each that is not kept."""
        return self._statistics()[0]

    @property
    def variance(self) -> Any:
        return self._statistics()[1]

    def _statistics(self) -> Any:
        if self.input_mean is not None:
            return self._known
        return [ops.reshape(v, self._broadcast) for v in (self.adapt_mean, self.adapt_variance)]

    def call(self, inputs: Any) -> Any:
        mean, variance = self._statistics()
        x, deviation = as_float(inputs), ops.sqrt(variance)
        if self.invert:
            return x * ops.maximum(deviation, config.epsilon()) + mean
        return (x - mean) / ops.maximum(deviation, config.epsilon())

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "axis": self.axis,
            "invert": self.invert,
            "mean": _plain(self.input_mean),
            "variance": _plain(self.input_variance),
        }


def _plain(value: Any) -> Any:
    return None if value is None else np.asarray(value).tolist()


def _batches(data: Any) -> Iterable[Any]:
    """The inputs of each batch."""
    for batch in data:
        yield batch[0] if isinstance(batch, tuple) else batch
