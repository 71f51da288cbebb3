"""Layers that change the contrast and the brightness of images at random."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastconv import ops
from fastconv.layers.image_layer import ImageLayer, factor_range


class _RandomColor(ImageLayer):
    def __init__(self, value_range: Sequence[float], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(value_range, (list, tuple)) or len(value_range) != 2:
            raise ValueError(
                f"{type(self).__name__}: value_range must be two numbers, got {value_range!r}"
            )
        self.value_range = tuple(value_range)

    def drawn(self, x: Any, lower: float, upper: float) -> Any:
        """A number of shape (batch, 1, 1, 1) for each image."""
        (draw,) = self.draw(x, (lower, upper))
        return ops.reshape(draw, (-1 if x.shape[0] is None else int(x.shape[0]), 1, 1, 1))

    def clipped(self, x: Any) -> Any:
        return ops.clip(x, float(min(self.value_range)), float(max(self.value_range)))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "value_range": self.value_range}


class RandomContrast(_RandomColor):
    """Stretches each channel's distances from its mean by a random factor.

    Args:
        factor: f for a factor from [1 - f, 1 + f], or (l, u) for [1 - l, 1 + u].
        value_range: (lowest, highest) value of the result.
        seed: chooses the random numbers; ``set_random_seed`` sets them all.

    Raises:
        ValueError: for arguments that are not of these kinds.
    """

    def __init__(
        self,
        factor: Any,
        value_range: Sequence[float] = (0, 255),
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(value_range, seed=seed, **kwargs)
        pair = factor if isinstance(factor, (list, tuple)) else (factor, factor)
        factor_range("RandomContrast", "factor", pair, 0.0, 1.0)
        self.factor = tuple(pair)

    def transformed(self, x: Any) -> Any:
        lower, upper = self.factor
        mean = ops.mean(x, axis=(1, 2), keepdims=True)
        return self.clipped((x - mean) * self.drawn(x, 1 - lower, 1 + upper) + mean)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "factor": self.factor}


class RandomBrightness(_RandomColor):
    """Adds a random share of the range of values to each image.

    Args:
        factor: the largest share to both sides, or (lowest, highest), in [-1, 1].
        value_range: (lowest, highest) value of the images and of the result.
        seed: chooses the random numbers; ``set_random_seed`` sets them all.

    Raises:
        ValueError: for arguments that are not of these kinds.
    """

    def __init__(
        self,
        factor: Any,
        value_range: Sequence[float] = (0, 255),
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(value_range, seed=seed, **kwargs)
        self.factor = factor_range("RandomBrightness", "factor", factor, -1.0, 1.0)

    def transformed(self, x: Any) -> Any:
        lower, upper = self.factor
        span = max(self.value_range) - min(self.value_range)
        return self.clipped(x + self.drawn(x, lower * span, upper * span))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "factor": self.factor}
