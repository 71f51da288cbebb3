"""Layers that change whole images, or a part of them, with some probability."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastconv import ops, random
from fastconv.layers.image_layer import ImageLayer

_GRAY = (0.2989, 0.587, 0.114)  # ITU-R BT.601: how bright red, green and blue look


def _share(layer: str, argument: str, value: Any) -> tuple[float, float]:
    """(lower, upper) in [0, 1] from two numbers, or from the upper one.

    Raises:
        ValueError: naming the layer and the argument.
    """
    given = tuple(value) if isinstance(value, (list, tuple)) else (0, value)
    if len(given) != 2 or not all(isinstance(v, (int, float)) and 0 <= v <= 1 for v in given):
        raise ValueError(f"{layer}: {argument} must be one or two numbers in [0, 1], got {value!r}")
    return min(given), max(given)


class _Effect(ImageLayer):
    """Acts on an image with a probability that is drawn evenly from ``factor`` for each image."""

    factor: tuple[float, float]

    def chosen(self, x: Any, *ranges: tuple[float, float]) -> list[Any]:
        """Which images are changed, and numbers from more ranges; all of shape (batch, 1, 1, 1)."""
        drawn = self.draw(x, (0, 1), self.factor, *ranges)
        threshold, probability, *others = (_for_images(x, column) for column in drawn)
        return [threshold < probability, *others]


def _for_images(x: Any, column: Any) -> Any:
    return ops.reshape(column, (-1 if x.shape[0] is None else int(x.shape[0]), 1, 1, 1))


class RandomGrayscale(_Effect):
    """Images without their colours: three equal channels.

    Args:
        factor: the probability.
        seed: chooses the random numbers; ``set_random_seed`` sets them all. As in Keras it is not
            in the configuration.

    Raises:
        ValueError: for a factor outside of [0, 1], or images without three channels.
    """

    def __init__(self, factor: float = 0.5, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(seed=seed, **kwargs)
        self.factor = _share("RandomGrayscale", "factor", (factor, factor))

    def transformed(self, x: Any) -> Any:
        if x.shape[3] != 3:
            raise ValueError(f"RandomGrayscale needs 3 channels, got images of shape {x.shape[1:]}")
        red, green, blue = (x[..., i : i + 1] * weight for i, weight in enumerate(_GRAY))
        (chosen,) = self.chosen(x)
        return ops.where(chosen, red + green + blue, x)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["seed"]  # as in Keras
        return {**config, "factor": self.factor[0]}


class RandomInvert(_Effect):
    """Images as negatives, ``value_range[1] - x``.

    Args:
        factor: the probability is drawn from [0, factor], or from a pair, for each image.
        value_range: (lowest, highest) value of the images.
        seed: chooses the random numbers; ``set_random_seed`` sets them all.

    Raises:
        ValueError: for a factor outside of [0, 1].
    """

    def __init__(
        self,
        factor: Any = 1.0,
        value_range: Sequence[float] = (0, 255),
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(seed=seed, **kwargs)
        self.factor = _share("RandomInvert", "factor", factor)
        self.value_range = _two("RandomInvert", "value_range", value_range)

    def transformed(self, x: Any) -> Any:
        (chosen,) = self.chosen(x)
        return ops.where(chosen, self.value_range[1] - x, x)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "factor": self.factor, "value_range": self.value_range}


class RandomErasing(_Effect):
    """A rectangle of each image is filled (arXiv:1708.04896).

    Args:
        factor: the probability is drawn from [0, factor], or from a pair, for each image.
        scale: squares of the rectangle's sides, as parts of the image's, are drawn from it.
        fill_value: a number, or one for each of three channels; None for normal numbers times the
            highest value.
        value_range: (lowest, highest) value of what is filled in.
        seed: chooses the random numbers; ``set_random_seed`` sets them all.

    Raises:
        ValueError: for a factor or a scale outside of [0, 1], another fill value, or three for
            images of other than three channels.
    """

    def __init__(
        self,
        factor: Any = 1.0,
        scale: Any = (0.02, 0.33),
        fill_value: float | Sequence[float] | None = None,
        value_range: Sequence[float] = (0, 255),
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(seed=seed, **kwargs)
        self.factor = _share("RandomErasing", "factor", factor)
        self.scale = _share("RandomErasing", "scale", scale)
        self.value_range = _two("RandomErasing", "value_range", value_range)
        if isinstance(fill_value, (list, tuple)):
            fill_value = tuple(fill_value)
            if len(fill_value) != 3:
                raise ValueError(
                    f"RandomErasing: fill_value must be a number or three, got {fill_value!r}"
                )
        self.fill_value = fill_value

    def transformed(self, x: Any) -> Any:
        if isinstance(self.fill_value, tuple) and x.shape[3] != 3:
            raise ValueError(
                f"RandomErasing: fill_value {self.fill_value} is for 3 channels, got images of "
                f"shape {x.shape[1:]}"
            )
        ranges = (self.scale, self.scale, (0.0, 1.0), (0.0, 1.0))
        chosen, down, across, top, left = self.chosen(x, *ranges)
        rows, columns = _covered(x, 1, down, top), _covered(x, 2, across, left)
        erased = ops.logical_and(chosen, ops.logical_and(rows, columns))
        return ops.where(erased, self._fill(x), x)

    def _fill(self, x: Any) -> Any:
        low, high = (float(v) for v in self.value_range)
        if self.fill_value is None:
            shape = (ops.shape(x)[0], *(int(n) for n in x.shape[1:]))
            seed = self.seed_now()
            seed = seed + 1 if isinstance(seed, int) else seed  # others than before
            return ops.clip(random.normal(shape, seed=seed) * high, low, high)
        filled = ops.convert_to_tensor(self.fill_value, dtype="float32")
        return ops.clip(filled, low, high)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "factor": self.factor,
            "scale": self.scale,
            "fill_value": self.fill_value,
            "value_range": self.value_range,
        }


def _covered(x: Any, axis: int, square: Any, place: Any) -> Any:
    """The pixels along an axis of x that are in a part of length sqrt(square), somewhere."""
    size = int(x.shape[axis])
    length = ops.sqrt(square) * float(size)
    start = place * (float(size) - length)
    shape = [1, 1, 1, 1]
    shape[axis] = size
    pixels = ops.reshape(ops.arange(size, dtype="float32"), shape)
    return ops.logical_and(pixels >= start, pixels < start + length)


def _two(layer: str, argument: str, value: Any) -> tuple[float, float]:
    if not isinstance(value, (list, tuple)) or len(value) != 2:
        raise ValueError(f"{layer}: {argument} must be two numbers, got {value!r}")
    return value[0], value[1]
