"""What layers that change images at random share."""

from __future__ import annotations

from typing import Any

from fastconv import ops, random
from fastconv.config import standardize_data_format
from fastconv.layers.images import channels_last, restored
from fastconv.layers.layer import as_float
from fastconv.layers.random_layer import RandomLayer


class ImageLayer(RandomLayer):
    """Changes images (batch, height, width, channels), or one image; the result is float32.

    Subclasses define ``transformed(x)``, for training, and maybe ``plain(x)`` for inference. Called
    by itself, and not inside of a model, such a layer acts as in training.

    Args:
        data_format: where the channels are.
        seed: chooses the random numbers; ``set_random_seed`` sets them all.
    """

    def __init__(
        self, *, data_format: str | None = None, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(seed=seed, **kwargs)
        self.data_format = standardize_data_format(data_format)

    def call(self, inputs: Any, training: bool = True) -> Any:
        x = as_float(inputs)
        if len(x.shape) not in (3, 4):
            raise ValueError(f"expected images or one image, got shape {tuple(x.shape)}")
        single = len(x.shape) == 3
        x = ops.expand_dims(x, 0) if single else x
        x = channels_last(x, self.data_format)
        x = self.transformed(x) if training else self.plain(x)
        x = restored(x, self.data_format)
        return ops.squeeze(x, 0) if single else x

    def transformed(self, x: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} does not define transformed")

    def plain(self, x: Any) -> Any:
        return x

    def draw(self, x: Any, *ranges: tuple[float, float]) -> list[Any]:
        """Numbers of shape (batch, 1) for the images x, evenly from each range (low, high)."""
        u = random.uniform((ops.shape(x)[0], len(ranges)), seed=self.seed_now())
        columns = [u[:, i : i + 1] for i in range(len(ranges))]
        return [
            column * float(high - low) + float(low)
            for column, (low, high) in zip(columns, ranges, strict=True)
        ]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "seed": self.seed, "data_format": self.data_format}


def factor_range(layer: str, argument: str, value: Any, low: float, high: float) -> tuple[Any, Any]:
    """(lower, upper) from two numbers in [low, high], or from one for both sides.

    Raises:
        ValueError: naming the layer and the argument.
    """
    given = value if isinstance(value, (list, tuple)) else (value,)
    good = len(given) in (1, 2) and all(
        isinstance(v, (int, float)) and not isinstance(v, bool) and low <= v <= high for v in given
    )
    if not good or (len(given) == 1 and given is value):
        raise ValueError(
            f"{layer}: {argument} must be one or two numbers in [{low}, {high}], got {value!r}"
        )
    lower, upper = sorted((-given[0], given[0]) if len(given) == 1 else given)
    return lower, upper


def plain_factor(value: Any) -> Any:
    """A factor as it was given, a pair as a tuple."""
    return tuple(value) if isinstance(value, list) else value
